//! `task:task_rename` (task, comm): names over time.

use aya_ebpf::{helpers::bpf_probe_read_kernel, programs::RawTracePointContext};
use fault_trace_common::wire::{COMM_LEN, TASK_RENAMED};

use crate::{current::Current, emit, maps::THREADS, states};

pub(crate) fn renamed(ctx: &RawTracePointContext) {
    let current = Current::get();
    let Some(state) = states::state(current) else {
        return;
    };
    // A name can be written for another thread through /proc; that one tells at its next fault.
    if ctx.arg::<u64>(0) != current.address() {
        return;
    }
    let name: u64 = ctx.arg(1);
    // SAFETY: the helper checks the address. Every caller passes a buffer of at least this size or a
    // shorter string, in which case the read may fail and the old name stays.
    let Ok(comm) = (unsafe { bpf_probe_read_kernel(name as *const [u8; COMM_LEN]) }) else {
        return;
    };
    let (pid, tid) = current.ids();
    if state.slot != 0
        && let Some(thread) = THREADS.get_ptr_mut(state.slot)
    {
        // SAFETY: a live map value, written to by this thread alone.
        unsafe { (*thread).comm = comm };
    }
    emit::task(TASK_RENAMED, pid, tid, 0, &comm);
}
