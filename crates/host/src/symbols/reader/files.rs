//! The symbols of the programs in use, and of no more than fit.

use std::{fs::File, path::PathBuf};

use super::{elf::SymbolFile, image::headers, names::Names};
use crate::symbols::protocol::{FILES_MAX, Headers, Spot};
use fault_trace_model::code::{Resolution, Unresolved};

/// Programs whose symbols were read, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct Programs(Vec<Kept>);

#[derive(Debug)]
struct Kept {
    key: Key,
    symbols: Symbols,
    /// Memory that came to be allocated while it was used.
    heap_bytes: u64,
}

/// The opener's number of the program, and whether lines are looked for.
pub(super) type Key = (u32, bool);

/// The sizes of the files that are kept beside the one in use, together: reading one takes up to
/// about as much memory.
const MAX_KEPT_BYTES: u64 = 64 << 20;
/// What they have allocated, together: a small file may unpack to much more than it is.
const MAX_KEPT_HEAP_BYTES: u64 = 96 << 20;
const MAX_KEPT: usize = 32;

/// Everything that names places in one program.
#[derive(Debug)]
pub(super) struct Symbols {
    /// The program's own headers, if it is here.
    image: Option<Headers>,
    /// Debug information first, then the program.
    files: Vec<SymbolFile>,
    /// Kept open: what the debug information shares.
    _shared: Option<File>,
    /// Why there is no more of them.
    reason: Unresolved,
}

impl Programs {
    /// The names at these places of the program, as many. `open` is asked if it is not kept.
    pub(super) fn resolve(
        &mut self,
        key: Key,
        places: &[Spot],
        open: impl FnOnce() -> Symbols,
        names: &mut Names,
    ) -> Vec<Resolution> {
        let known = self.0.iter().position(|kept| kept.key == key);
        let known = known.map(|at| self.0.remove(at));
        if known.is_none() {
            // Those of before go first, so that there is room to read.
            self.make_room();
        }
        let before = allocated_bytes();
        let mut kept = known.unwrap_or_else(|| Kept {
            key,
            symbols: open(),
            heap_bytes: 0,
        });
        let found = kept.symbols.resolve(places, names);
        kept.heap_bytes += allocated_bytes().saturating_sub(before);
        self.0.push(kept);
        found
    }

    /// Drops those used longest ago.
    fn make_room(&mut self) {
        let (mut file_bytes, mut heap_bytes) = (0, 0);
        let keep = self
            .0
            .iter()
            .rev()
            .take(MAX_KEPT)
            .take_while(|kept| {
                file_bytes += kept.symbols.size_bytes();
                heap_bytes += kept.heap_bytes;
                file_bytes <= MAX_KEPT_BYTES && heap_bytes <= MAX_KEPT_HEAP_BYTES
            })
            .count();
        self.0.drain(..self.0.len() - keep);
    }
}

/// Returns how much memory this process has allocated, as far as the allocator tells.
fn allocated_bytes() -> u64 {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: only reads the allocator's counts, which locks itself.
        let info = unsafe { libc::mallinfo2() };
        (info.uordblks + info.hblkhd) as u64
    }
    #[cfg(not(target_env = "gnu"))]
    0
}

impl Symbols {
    /// Of debug information, the program, and what the former shares, as far as they are there.
    /// `shared` are the folders through which the last is found.
    pub(super) fn open(files: [Option<File>; FILES_MAX], lines: bool, shared: &[PathBuf]) -> Self {
        let [debug, image, shared_file] = files;
        let headers = image.as_ref().and_then(headers);
        let image = image.filter(|_| headers.is_some());
        let reason = match image {
            Some(_) => Unresolved::NoSymbolHere,
            None => Unresolved::NotElf,
        };
        let symbols = |file| SymbolFile::new(file, lines, shared);
        Self {
            files: debug.into_iter().chain(image).map(symbols).collect(),
            image: headers,
            _shared: shared_file,
            reason,
        }
    }

    fn size_bytes(&self) -> u64 {
        self.files.iter().map(SymbolFile::size_bytes).sum()
    }

    fn resolve(&self, places: &[Spot], names: &mut Names) -> Vec<Resolution> {
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

/// Prefers the more specific reason: "no symbol at this address" over "no symbols at all".
fn better_reason(one: Unresolved, other: Unresolved) -> Unresolved {
    [Unresolved::NoSymbolHere, Unresolved::NoSymbols]
        .into_iter()
        .find(|reason| *reason == one || *reason == other)
        .unwrap_or(other)
}
