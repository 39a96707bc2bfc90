//! Names in the running kernel, and in the vdso, which is the same in every 64-bit process.

use std::path::PathBuf;

use blazesym::{
    MaybeDefault, Pid,
    symbolize::{
        Input, Sym, Symbolizer,
        source::{Kernel, Process, Source},
    },
};

use super::reader::{Names, frames, symbol};
use fault_trace_model::code::{Resolution, Unresolved};

/// The symbols of the kernel: about 65 bytes for each once they are used, 10 MB in all.
#[derive(Debug)]
pub(super) struct KernelSymbols {
    kallsyms: PathBuf,
    symbolizer: Symbolizer,
}

/// kallsyms tells no sizes. What is further from a symbol is not a part of it: no function of the
/// kernel is this large, and the kernel may run code that it does not list (BPF).
const MAX_FUNCTION_BYTES: usize = 1 << 17;

impl KernelSymbols {
    /// From a file like /proc/kallsyms.
    pub(super) fn new(kallsyms: PathBuf) -> Self {
        let symbolizer = Symbolizer::builder()
            .enable_auto_reload(false)
            .enable_code_info(false)
            .enable_inlined_fns(false)
            .build();
        Self {
            kallsyms,
            symbolizer,
        }
    }

    /// The names at these addresses, as many.
    pub(super) fn resolve(&self, addresses: &[u64], names: &mut Names) -> Vec<Resolution> {
        let kernel = Kernel {
            kallsyms: MaybeDefault::Some(self.kallsyms.clone()),
            // A kernel image might be another build's.
            vmlinux: MaybeDefault::None,
            debug_syms: false,
            ..Kernel::default()
        };
        let near = |symbol: &Sym<'_>| symbol.offset < MAX_FUNCTION_BYTES;
        self.symbolize(&Source::Kernel(kernel), addresses, near, names)
            .into_iter()
            .map(|found| {
                // It lists every address as 0 to those who may not know, or cannot be read.
                found.map_err(|reason| match reason {
                    Unresolved::NoSymbols | Unresolved::Unreadable => Unresolved::KernelHidden,
                    other => other,
                })
            })
            .collect()
    }

    /// The names at these offsets in the vdso, as many.
    pub(super) fn resolve_vdso(&self, offsets: &[u64], names: &mut Names) -> Vec<Resolution> {
        let Some(start) = vdso_start() else {
            return vec![Err(Unresolved::OtherKernel); offsets.len()];
        };
        let mut this = Process::new(Pid::Slf);
        this.perf_map = false;
        this.map_files = false;
        this.debug_syms = false;
        let addresses: Vec<u64> = offsets
            .iter()
            .map(|offset| start.saturating_add(*offset))
            .collect();
        // An offset beyond it would be another file's.
        let inside = |symbol: &Sym<'_>| symbol.module.as_deref() == Some("[vdso]".as_ref());
        self.symbolize(&Source::Process(this), &addresses, inside, names)
    }

    fn symbolize(
        &self,
        source: &Source<'_>,
        addresses: &[u64],
        good: impl Fn(&Sym<'_>) -> bool,
        names: &mut Names,
    ) -> Vec<Resolution> {
        match self.symbolizer.symbolize(source, Input::AbsAddr(addresses)) {
            Ok(found) => found
                .into_iter()
                .map(|found| {
                    let symbol = symbol(found)?;
                    good(&symbol)
                        .then(|| frames(&symbol, symbol.offset, names))
                        .ok_or(Unresolved::NoSymbolHere)
                })
                .collect(),
            Err(_) => vec![Err(Unresolved::Unreadable); addresses.len()],
        }
    }
}

/// Where the kernel put the vdso of this process.
fn vdso_start() -> Option<u64> {
    // SAFETY: getauxval only reads what the kernel gave the process at its start.
    let start = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    (start != 0).then_some(start)
}
