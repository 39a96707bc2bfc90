//! The names in one ELF file and its debug information, through blazesym.

use std::{cell::OnceCell, fs::File, ops::Range, os::fd::AsRawFd as _, path::PathBuf, sync::Arc};

use blazesym::symbolize::{
    CodeInfo, Input, Reason, Sym, Symbolized, Symbolizer,
    source::{Elf, Source},
};
use object::{Object as _, ObjectSection as _, ReadCache};

use super::names::Names;
use fault_trace_base::guarded::guarded;
use fault_trace_model::code::{Frame, Resolution, SourceLine, Unresolved};

/// A file with symbols, read as far as needed. What is read stays until it is dropped.
#[derive(Debug)]
pub(super) struct SymbolFile {
    file: File,
    symbolizer: Symbolizer,
    lines: bool,
    sections: OnceCell<Vec<Range<u64>>>,
}

impl SymbolFile {
    /// `lines`: whether to look for source lines and inlined functions, too. `shared`: folders of parts
    /// that files of debug information share (`.gnu_debugaltlink`).
    pub(super) fn new(file: File, lines: bool, shared: &[PathBuf]) -> Self {
        let symbolizer = Symbolizer::builder()
            .enable_auto_reload(false)
            .enable_code_info(lines)
            .enable_inlined_fns(lines)
            .set_debug_dirs(Some(shared))
            .build();
        Self {
            file,
            symbolizer,
            lines,
            sections: OnceCell::new(),
        }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// The names at these addresses of the file, as many.
    pub(super) fn resolve(&self, addresses: &[u64], names: &mut Names) -> Vec<Resolution> {
        let symbols = self.symbolize(addresses, false);
        let lines = if self.lines {
            self.symbolize(addresses, true)
        } else {
            vec![Err(Unresolved::NoSymbols); addresses.len()]
        };
        let found = addresses.iter().zip(symbols).zip(lines);
        found
            .map(|((&address, symbol), lines)| {
                let symbol = symbol.and_then(|symbol| self.covering(symbol, address));
                let lines = lines.and_then(|lines| self.covering(lines, address));
                match (symbol, lines) {
                    (Ok(symbol), Ok(lines)) => Ok(frames(&lines, symbol.offset, names)),
                    (Err(_), Ok(lines)) => Ok(frames(&lines, measured(&lines), names)),
                    (Ok(symbol), Err(_)) => Ok(frames(&symbol, symbol.offset, names)),
                    (Err(reason), Err(_)) => Err(reason),
                }
            })
            .collect()
    }

    /// `debug`: with the debug information, which knows inlined functions, but not where a function
    /// that lies in several pieces starts.
    fn symbolize(&self, addresses: &[u64], debug: bool) -> Vec<Result<Sym<'_>, Unresolved>> {
        let mut elf = Elf::new(fd_path(&self.file));
        elf.debug_syms = debug;
        let source = Source::Elf(elf);
        // Files are of anyone's making; a mistake in reading one must not end the recording.
        let found = guarded(|| {
            self.symbolizer
                .symbolize(&source, Input::VirtOffset(addresses))
        });
        match found {
            Ok(Ok(found)) => found.into_iter().map(symbol).collect(),
            Ok(Err(_)) | Err(_) => vec![Err(Unresolved::Unreadable); addresses.len()],
        }
    }

    /// A symbol without a size (assembly) is taken to reach to the next one. That must not carry it
    /// into another section: what follows `_init` is the linker's, not a part of it.
    fn covering<'file>(&self, symbol: Sym<'file>, address: u64) -> Result<Sym<'file>, Unresolved> {
        let sections = self.sections.get_or_init(|| sections(&self.file));
        let together =
            |section: &Range<u64>| section.contains(&symbol.addr) && section.contains(&address);
        let covers = symbol.size.is_some() || in_pieces(&symbol) || sections.iter().any(together);
        (covers && !symbol.name.is_empty())
            .then_some(symbol)
            .ok_or(Unresolved::NoSymbolHere)
    }
}

/// A function that the debug information tells to lie in several pieces, of which one covers the
/// address: it is given with neither a start nor a size.
const fn in_pieces(symbol: &Sym<'_>) -> bool {
    symbol.addr == 0 && symbol.size.is_none()
}

/// How far into the function, 0 where that is not told.
const fn measured(symbol: &Sym<'_>) -> usize {
    if in_pieces(symbol) { 0 } else { symbol.offset }
}

/// A name for an open file that opens it again.
pub(super) fn fd_path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

pub(in crate::symbols) fn symbol(found: Symbolized<'_>) -> Result<Sym<'_>, Unresolved> {
    match found {
        Symbolized::Sym(symbol) => Ok(symbol),
        Symbolized::Unknown(Reason::MissingSyms) => Err(Unresolved::NoSymbols),
        Symbolized::Unknown(Reason::IgnoredError) => Err(Unresolved::Unreadable),
        Symbolized::Unknown(_) => Err(Unresolved::NoSymbolHere),
    }
}

/// The frames of a symbol, innermost first.
pub(in crate::symbols) fn frames(
    symbol: &Sym<'_>,
    offset: usize,
    names: &mut Names,
) -> Arc<[Frame]> {
    let mut frames: Vec<Frame> = symbol
        .inlined
        .iter()
        .rev()
        .map(|inlined| Frame {
            function: names.get(&inlined.name),
            offset_bytes: 0,
            source: inlined
                .code_info
                .as_ref()
                .and_then(|line| source(line, names)),
            inlined: true,
        })
        .collect();
    frames.push(Frame {
        function: names.get(&symbol.name),
        offset_bytes: offset as u64,
        source: symbol
            .code_info
            .as_ref()
            .and_then(|line| source(line, names)),
        inlined: false,
    });
    frames.into()
}

/// `None` for code without a line: the compiler's own.
fn source(info: &CodeInfo<'_>, names: &mut Names) -> Option<SourceLine> {
    Some(SourceLine {
        file: names.get(&info.to_path().to_string_lossy()),
        line: info.line.filter(|&line| line > 0)?,
        column: info.column.filter(|&column| column > 0),
    })
}

/// The addresses of the file's sections.
fn sections(file: &File) -> Vec<Range<u64>> {
    let data = ReadCache::new(file);
    object::File::parse(&data).map_or_else(
        |_| Vec::new(),
        |file| {
            file.sections()
                .filter(|section| section.address() != 0)
                .map(|section| section.address()..section.address().saturating_add(section.size()))
                .collect()
        },
    )
}
