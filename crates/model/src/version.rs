//! The version of a kernel.

pub use fault_trace_common::catalogue::kernel::Version;
