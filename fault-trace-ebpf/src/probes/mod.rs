//! One probe a file.

/// Reads an argument of a raw tracepoint by its name, see the table of `catalogue::tracepoint`.
macro_rules! argument {
    ($ctx:expr, $tracepoint:ident.$argument:ident) => {
        $ctx.arg(fault_trace_common::catalogue::tracepoint::$tracepoint::$argument as usize)
    };
}

pub(crate) mod end;
pub(crate) mod exit;
pub(crate) mod fork;
pub(crate) mod oom;
pub(crate) mod page;
pub(crate) mod rename;
pub(crate) mod signal;
pub(crate) mod sleep;
pub(crate) mod start;
pub(crate) mod vsyscall;
pub(crate) mod while_in;
