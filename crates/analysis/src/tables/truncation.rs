//! Whether a stack leads back to where its thread started.

use super::Tables;
use fault_trace_model::attribution::LocationKind;

/// `PERF_MAX_STACK_DEPTH`: no stack of the kernel's has more frames.
const DEEPEST: usize = 127;
/// A start function is looked for among so many of the outermost frames: in stripped programs the
/// outermost, `_start`, has no name.
const OUTERMOST: usize = 3;

/// Where threads start, in C libraries, dynamic loaders and runtimes.
const STARTS: [&str; 17] = [
    "_start",
    "_start_c",
    "start",
    "_dl_start",
    "_dl_start_user",
    "_dl_start_final",
    "__libc_init_first",
    "start_thread",
    "clone",
    "__clone",
    "clone3",
    "__clone3",
    "thread_start",
    "runtime.goexit",
    "runtime.goexit.abi0",
    "runtime.rt0_go",
    "runtime.mstart",
];
const START_PREFIX: &str = "__libc_start_";

/// Whether the user part of the stack, innermost first, breaks off.
pub(super) fn is_truncated(tables: &Tables, locations: &[u32]) -> bool {
    if locations.len() >= DEEPEST {
        return true;
    }
    let is_user = |&&id: &&u32| {
        let kind = tables.location_of(id).map(|location| location.kind);
        kind != Some(LocationKind::Kernel)
    };
    let mut outermost = locations.iter().rev().filter(is_user).peekable();
    // Without a user part nothing of it can be missing.
    outermost.peek().is_some()
        && !outermost.take(OUTERMOST).any(|&id| {
            let mut functions = tables.frames(id).filter_map(|frame| frame.function);
            functions.any(is_start)
        })
}

fn is_start(function: &str) -> bool {
    // `clone@@GLIBC_2.2.5`.
    let name = function.split('@').next().unwrap_or_default();
    name.starts_with(START_PREFIX) || STARTS.contains(&name)
}
