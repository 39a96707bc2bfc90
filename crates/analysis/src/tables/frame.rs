//! One function on a stack, as far as it is known.

use std::borrow::Cow;

use fault_trace_model::attribution::{LocationKind, LocationRow, SymbolRow};

/// A function, or a place of which no function is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub kind: LocationKind,
    pub function: Option<&'a str>,
    /// The path of the file, `[vdso]`, `[kernel]`, `[jit]`, or empty; raw bytes.
    pub module: &'a [u8],
    /// Where in the module it lies, bytes; the address where there is none.
    pub offset_bytes: u64,
    pub source_file: Option<&'a str>,
    pub source_line: Option<u32>,
    /// Whether it is inlined into the next.
    pub inlined: bool,
}

impl<'a> Frame<'a> {
    /// The function of `symbol` at `location`, as far as both are known.
    #[must_use]
    pub fn new(location: Option<&'a LocationRow>, symbol: Option<&'a SymbolRow>) -> Self {
        let kind = location.map_or(LocationKind::Unknown, |location| location.kind);
        let named = location.map_or(&[][..], |location| &location.module);
        let module = match kind {
            LocationKind::Kernel if named.is_empty() => &b"[kernel]"[..],
            LocationKind::Jit if named.is_empty() => b"[jit]",
            _ => named,
        };
        Self {
            kind,
            function: symbol.map(|symbol| symbol.function.as_str()),
            module,
            offset_bytes: location.map_or(0, |location| location.offset_bytes),
            source_file: symbol.and_then(|symbol| symbol.source_file.as_deref()),
            source_line: symbol.and_then(|symbol| symbol.source_line),
            inlined: symbol.is_some_and(|symbol| symbol.inlined),
        }
    }

    /// Its function, `libc.so.6+0x1234` or `0x7f…` without one. Never printed without
    /// `render::sanitize`.
    #[must_use]
    pub fn name(&self) -> Cow<'a, str> {
        match self.function {
            Some(function) if !function.is_empty() => Cow::Borrowed(function),
            _ if self.kind == LocationKind::Unknown && self.offset_bytes == 0 => {
                Cow::Borrowed("[unknown]")
            }
            _ if matches!(self.kind, LocationKind::File | LocationKind::Vdso) => {
                let module = String::from_utf8_lossy(self.module_name());
                Cow::Owned(format!("{module}+{:#x}", self.offset_bytes))
            }
            _ => Cow::Owned(format!("{:#x}", self.offset_bytes)),
        }
    }

    /// The last part of the module's path; raw bytes.
    #[must_use]
    pub fn module_name(&self) -> &'a [u8] {
        self.module
            .rsplit(|&byte| byte == b'/')
            .next()
            .unwrap_or_default()
    }

    /// `file.c:12`; never printed without `render::sanitize`.
    #[must_use]
    pub fn source(&self) -> Option<String> {
        let file = self.source_file?;
        Some(match self.source_line {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        })
    }

    /// Whether it is the kernel's code.
    #[must_use]
    pub fn is_kernel(&self) -> bool {
        self.kind == LocationKind::Kernel
    }
}
