//! A filter as the eBPF programs take it.

use fault_trace_common::wire::ALL_CLASSES;

/// Which faults count, and which of those are recorded one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelFilter {
    /// Classes that count, see `Class::bit`.
    pub class_mask: u64,
    /// Addresses that count, first and last.
    pub addresses: (u64, u64),
    pub user_mode: bool,
    pub kernel_mode: bool,
    /// Record one in this many faults; at least 1.
    pub sample: u32,
    /// Record only faults that took at least this long, or unknown.
    pub min_latency_ns: u64,
}

impl Default for KernelFilter {
    fn default() -> Self {
        Self {
            class_mask: ALL_CLASSES,
            addresses: (0, u64::MAX),
            user_mode: true,
            kernel_mode: true,
            sample: 1,
            min_latency_ns: 0,
        }
    }
}
