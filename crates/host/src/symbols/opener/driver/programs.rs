//! The files that name the places of a program: itself, its debug information, and what that shares
//! with others.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Driver;
use crate::symbols::{
    opener::{
        Reads,
        behind::open_regular,
        debug_files::{candidates, shared_candidates},
        pool::OpenFile,
    },
    protocol::{FILES_MAX, Headers, Loss, Source, Unnamed},
};

/// A file that was opened and identified.
pub(super) struct Held {
    /// `None` if too many are open.
    pub(super) file: Option<Arc<OpenFile>>,
    pub(super) headers: Headers,
    pub(super) path: Vec<u8>,
}

/// Bound: programs whose files are remembered.
const REMEMBERED_MAX: usize = 32;

/// The programs asked for lately.
#[derive(Default)]
pub(super) struct Programs {
    known: Vec<(Source, Program)>,
    numbers: u32,
}

/// The files of a program.
#[derive(Default)]
pub(super) struct Program {
    pub(super) number: u32,
    path: Vec<u8>,
    debug: Option<Arc<OpenFile>>,
    image: Option<Arc<OpenFile>>,
    shared: Option<Arc<OpenFile>>,
    pub(super) shared_build_id: Vec<u8>,
    /// Readers that it broke.
    strikes: u8,
    /// Why places have no name.
    pub(super) reason: Unnamed,
}

/// One more is for the symbol tables alone.
const STRIKES_MAX: u8 = 2;

impl Programs {
    pub(super) fn at(&mut self, at: usize) -> &mut Program {
        &mut self.known[at].1
    }
}

impl Program {
    /// Debug information, the program, and what the former shares.
    pub(super) fn files(&self) -> [Option<Arc<OpenFile>>; FILES_MAX] {
        [self.debug.clone(), self.image.clone(), self.shared.clone()]
    }

    pub(super) const fn has_names(&self) -> bool {
        self.debug.is_some() || self.image.is_some()
    }

    pub(super) const fn may_have_lines(&self) -> bool {
        self.strikes == 0
    }

    pub(super) const fn is_given_up(&self) -> bool {
        self.strikes >= STRIKES_MAX
    }

    /// Notes that it broke a reader; its path.
    pub(super) fn strike(&mut self, loss: Loss) -> Vec<u8> {
        self.strikes = match loss {
            // It would stall again, and costs as much each time.
            Loss::Stalled | Loss::NoReader | Loss::Unfinished | Loss::NoMemory => STRIKES_MAX,
            Loss::Slow | Loss::Big | Loss::Fatal => self.strikes + 1,
        };
        self.path.clone()
    }
}

impl<R: Reads> Driver<R> {
    /// The place among the programs of the one asked for.
    pub(super) fn program(&mut self, source: &Source) -> usize {
        let known = &self.programs.known;
        if let Some(at) = known.iter().position(|(known, _)| known == source) {
            return at;
        }
        let mut program = self.find(source);
        self.programs.numbers += 1;
        program.number = self.programs.numbers;
        let known = &mut self.programs.known;
        if known.len() >= REMEMBERED_MAX {
            // What broke readers is remembered longest.
            let at = known.iter().position(|(_, program)| program.strikes == 0);
            known.remove(at.unwrap_or(0));
        }
        known.push((source.clone(), program));
        known.len() - 1
    }

    fn find(&mut self, source: &Source) -> Program {
        let Source::File { id, path, build_id } = source else {
            return Program::default();
        };
        let mut program = Program {
            path: path.clone(),
            ..Program::default()
        };
        let held = id.and_then(|id| self.files.get(&id));
        let held = held.and_then(|held| Some((held.file.clone()?, held.headers.clone())));
        let (image, headers) = match held.map_or_else(|| self.local(path, build_id.as_deref()), Ok)
        {
            Ok((file, headers)) => {
                program.reason = Unnamed::NoSymbolHere;
                (Some(file), Some(headers))
            }
            Err(reason) => {
                program.reason = reason;
                (None, None)
            }
        };
        program.image = image;
        if program.reason == Unnamed::GivenUp {
            program.strikes = STRIKES_MAX;
            return program;
        }
        let build_id = headers
            .as_ref()
            .map_or(build_id, |headers| &headers.build_id);
        let Some(build_id) = build_id else {
            return program;
        };
        let link = headers
            .as_ref()
            .and_then(|headers| headers.debug_link.as_deref());
        let places = candidates(&self.directories, path, build_id, link);
        let debug = self.find_build(places, build_id);
        let shares = debug
            .as_ref()
            .map(|(_, headers)| headers)
            .or(headers.as_ref())
            .and_then(|headers| headers.shared_debug.clone());
        program.debug = debug.map(|(file, _)| file);
        if let Some((name, build_id)) = shares {
            let places = shared_candidates(&self.directories, &name, &build_id);
            program.shared = self.find_build(places, &build_id).map(|(file, _)| file);
            program.shared_build_id = build_id;
        }
        program
    }

    /// The file at a path, if it is surely the same one.
    fn local(
        &mut self,
        path: &[u8],
        build_id: Option<&[u8]>,
    ) -> Result<(Arc<OpenFile>, Headers), Unnamed> {
        let name = PathBuf::from(OsStr::from_bytes(path));
        let file = match self.open(&name) {
            Ok(file) => file.ok_or(Unnamed::NoFile)?,
            Err(loss) => {
                self.give_up(path.to_vec(), loss);
                return Err(Unnamed::GivenUp);
            }
        };
        let headers = match self.headers(&file) {
            Ok(headers) => headers.ok_or(Unnamed::NotElf)?,
            Err(loss) => {
                self.give_up(path.to_vec(), loss);
                return Err(Unnamed::GivenUp);
            }
        };
        let build_id = build_id.ok_or(Unnamed::NoBuildId)?;
        if headers.section_build_id.as_deref() != Some(build_id) {
            return Err(Unnamed::BuildIdDiffers);
        }
        Ok((Arc::new(file), headers))
    }

    /// The first of these files with the build id.
    fn find_build(
        &mut self,
        places: Vec<PathBuf>,
        build_id: &[u8],
    ) -> Option<(Arc<OpenFile>, Headers)> {
        for place in places {
            let opened = self.open(&place);
            let found = opened.and_then(|file| match file {
                Some(file) => Ok(self.headers(&file)?.map(|headers| (file, headers))),
                None => Ok(None),
            });
            match found {
                Ok(Some((file, headers))) => {
                    if headers.section_build_id.as_deref() == Some(build_id) {
                        return Some((Arc::new(file), headers));
                    }
                }
                Ok(None) => {}
                Err(loss) => {
                    self.give_up(place.as_os_str().as_bytes().to_vec(), loss);
                    // Others may lie on the same file system.
                    if loss == Loss::Stalled {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// The regular file at a path.
    fn open(&self, path: &Path) -> Result<Option<OpenFile>, Loss> {
        let (proc, path) = (self.shared.surroundings.proc.clone(), path.to_owned());
        let opened = self.shared.pool.ask(move || open_regular(&proc, &path));
        let file = opened.map_err(|_| Loss::Stalled)?;
        Ok(file.map(|file| self.shared.pool.file(file)))
    }
}
