//! The symbols of the files in use, and of no more than fit.

use std::{ffi::OsStr, fs::File, os::unix::ffi::OsStrExt as _, path::Path, sync::Arc};

use super::{
    behind::open_regular,
    debug_files,
    elf::SymbolFile,
    image::Image,
    modules::Modules,
    names::Names,
    resolver::{Detail, Options},
};
use crate::model::code::{CodeFile, Resolution, Unresolved};

/// Files whose symbols were read, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<Symbols>);

/// The sizes of the files that are kept, together: reading one takes up to about as much memory.
const MAX_KEPT_BYTES: u64 = 256 << 20;
const MAX_KEPT: usize = 32;

/// Everything that names places in one program.
#[derive(Debug)]
struct Symbols {
    code: Arc<CodeFile>,
    /// The program's own headers, if it is here.
    image: Option<Image>,
    /// Debug information first, then the program.
    files: Vec<SymbolFile>,
    /// Why there is no more of them.
    reason: Unresolved,
}

/// Where in a file: the offset, and the file's own address of it if that is known.
pub(super) type At = (u64, Option<u64>);

impl Files {
    /// The names at these places of the file, as many.
    pub(super) fn resolve(
        &mut self,
        code: &Arc<CodeFile>,
        places: &[At],
        modules: Option<&Modules>,
        options: &Options,
        names: &mut Names,
    ) -> Vec<Resolution> {
        let kept = self.0.iter().position(|kept| kept.code == *code);
        let symbols = match kept {
            Some(at) => self.0.remove(at),
            None => Symbols::open(code, modules, options),
        };
        self.make_room(symbols.size_bytes());
        let found = symbols.resolve(places, names);
        self.0.push(symbols);
        found
    }

    /// Drops those used longest ago. What is in use may be larger than all that is kept.
    fn make_room(&mut self, size_bytes: u64) {
        let mut kept_bytes = size_bytes;
        let keep = self
            .0
            .iter()
            .rev()
            .take(MAX_KEPT)
            .take_while(|symbols| {
                kept_bytes += symbols.size_bytes();
                kept_bytes <= MAX_KEPT_BYTES
            })
            .count();
        self.0.drain(..self.0.len() - keep);
    }
}

impl Symbols {
    fn open(code: &Arc<CodeFile>, modules: Option<&Modules>, options: &Options) -> Self {
        let image = modules
            .and_then(|modules| modules.file(code))
            .and_then(|file| file.try_clone().ok())
            .map_or_else(|| local(code, options), Ok);
        let (image, mut reason) = match image {
            Ok(file) => (Some(file), Unresolved::NotElf),
            Err(reason) => (None, reason),
        };
        let headers = image.as_ref().and_then(Image::read);
        let build_id = headers
            .as_ref()
            .map_or(&code.build_id, |image| &image.build_id);
        let debug = build_id
            .as_ref()
            .and_then(|build_id| debug_files::find(code, build_id, image.as_ref(), options));
        let image = image.filter(|_| headers.is_some());
        if image.is_some() {
            reason = Unresolved::NoSymbolHere;
        }
        let lines = options.detail == Detail::Lines;
        let symbols = |file| SymbolFile::new(file, lines, &options.debug_directories);
        Self {
            code: Arc::clone(code),
            files: debug.into_iter().chain(image).map(symbols).collect(),
            image: headers,
            reason,
        }
    }

    fn size_bytes(&self) -> u64 {
        self.files.iter().map(SymbolFile::size_bytes).sum()
    }

    fn resolve(&self, places: &[At], names: &mut Names) -> Vec<Resolution> {
        let in_image = |offset| self.image.as_ref()?.elf_address(offset);
        let addresses: Vec<Option<u64>> = places
            .iter()
            .map(|&(offset, address)| address.or_else(|| in_image(offset)))
            .collect();
        let mut found = vec![Err(self.reason); places.len()];
        for (asked, file) in self.files.iter().enumerate() {
            let (open, addresses): (Vec<usize>, Vec<u64>) = addresses
                .iter()
                .enumerate()
                .filter(|(at, _)| found[*at].is_err())
                .filter_map(|(at, address)| Some((at, (*address)?)))
                .unzip();
            for (at, resolution) in open.into_iter().zip(file.resolve(&addresses, names)) {
                found[at] = match (resolution, &found[at]) {
                    (Err(now), Err(before)) if asked > 0 => Err(better_reason(*before, now)),
                    (resolution, _) => resolution,
                };
            }
        }
        found
    }
}

/// That a file covers other places says more than that another covers none.
fn better_reason(one: Unresolved, other: Unresolved) -> Unresolved {
    [Unresolved::NoSymbolHere, Unresolved::NoSymbols]
        .into_iter()
        .find(|reason| *reason == one || *reason == other)
        .unwrap_or(other)
}

/// The file by its path, if it is surely the same one.
fn local(code: &CodeFile, options: &Options) -> Result<File, Unresolved> {
    let path = Path::new(OsStr::from_bytes(&code.path));
    let file = open_regular(&options.proc, path).ok_or(Unresolved::NoFile)?;
    Image::read(&file).ok_or(Unresolved::NotElf)?;
    let build_id = code.build_id.as_ref().ok_or(Unresolved::NoBuildId)?;
    debug_files::has_build_id(&file, build_id)
        .then_some(file)
        .ok_or(Unresolved::BuildIdDiffers)
}
