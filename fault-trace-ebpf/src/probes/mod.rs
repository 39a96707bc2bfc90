//! One probe a file.

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
