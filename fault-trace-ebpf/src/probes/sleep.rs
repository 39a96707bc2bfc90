//! `sched:sched_switch` (preempt, prev, next, prev_state): how the thread left the CPU.

use aya_ebpf::programs::RawTracePointContext;
use fault_trace_common::Evidence;

use super::while_in;
use crate::config;

/// `TASK_INTERRUPTIBLE`, `TASK_UNINTERRUPTIBLE`.
const INTERRUPTIBLE: u32 = 1;
const UNINTERRUPTIBLE: u32 = 2;

pub(crate) fn switched(ctx: &RawTracePointContext) {
    let Some(fault) = while_in::open_fault() else {
        return;
    };
    // Before 5.18 the state was not passed.
    if config::get!(has_prev_state) == 0 {
        return;
    }
    let preempted: u64 = ctx.arg(0);
    let state: u32 = ctx.arg(3);
    fault.evidence.0 |= if preempted & 1 != 0 || state == 0 {
        Evidence::PREEMPTED
    } else if fault.evidence.any(Evidence::IN_LOCK_WAIT) {
        // A lock's own sleep: LOCK_WAITED says it.
        0
    } else if state & UNINTERRUPTIBLE != 0 {
        Evidence::SLEPT_D
    } else if state & INTERRUPTIBLE != 0 {
        Evidence::SLEPT_S
    } else {
        0
    };
}
