//! `sched:sched_switch`: how the thread left the CPU, and when it came
//! back.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::RawTracePointContext};
use fault_trace_common::{Closer, Evidence, open::OpenFault, phase::Phase};

use super::{exit, while_in};
use crate::{
    away,
    close::{self, Closing},
    config,
    current::Current,
    states, task,
};

/// `TASK_INTERRUPTIBLE`, `TASK_UNINTERRUPTIBLE`, `TASK_DEAD`.
const INTERRUPTIBLE: u32 = 1;
const UNINTERRUPTIBLE: u32 = 2;
const DEAD: u32 = 0x80;

pub(crate) fn switched(ctx: &RawTracePointContext) {
    // SAFETY: no arguments to get wrong.
    away::come_back(argument!(ctx, sched_switch.next), || unsafe {
        bpf_ktime_get_ns()
    });
    let current = Current::get();
    let Some(state) = states::state(current) else {
        return;
    };
    // It never comes back (`do_task_dead` in kernel/sched/core.c).
    let is_last = config::get!(has_prev_state) != 0 && prev_state(ctx) & DEAD != 0;
    if state.open.depth == 0 && state.exited == 0 && !is_last {
        return;
    }
    away::settle(state);
    if is_last {
        if task::has_exited(current, state) {
            close::down_to(state, 0, Closing::late(Closer::Exit));
            task::settle_exited(state);
        } else if state.exited == 0 {
            exit::leave();
        }
        return;
    }
    let Some(fault) = state.open.taking_evidence(close::instruction) else {
        return;
    };
    if !while_in::is_own_doing(fault) || fault.evidence.any(Evidence::IN_LOCK_WAIT) {
        // Part of that: RECLAIMED, COMPACTED or LOCK_WAITED says it.
        return;
    }
    let (phase, evidence) = how(ctx, fault);
    fault.evidence.set(evidence);
    // SAFETY: no arguments to get wrong.
    fault.begin_phase(phase, unsafe { bpf_ktime_get_ns() });
    away::leave(state);
}

/// The state that the thread leaves the CPU in; where the kernel passes it.
#[inline(always)]
fn prev_state(ctx: &RawTracePointContext) -> u32 {
    argument!(ctx, sched_switch.prev_state)
}

/// What the thread leaves the CPU for.
#[inline(always)]
fn how(ctx: &RawTracePointContext, fault: &OpenFault) -> (Phase, u128) {
    /// Through the page cache, or with I/O of its own: an uninterruptible sleep is for I/O.
    const FOR_IO: u128 = Evidence::BIO_QUEUED | Evidence::CACHE_ADD | Evidence::FILEMAP_FAULT;
    let preempted: u64 = argument!(ctx, sched_switch.preempt);
    if preempted & 1 != 0 {
        return (Phase::Preempted, Evidence::PREEMPTED);
    }
    // Before 5.18 the state was not passed.
    if config::get!(has_prev_state) == 0 {
        return (Phase::Sleep, 0);
    }
    let state = prev_state(ctx);
    if state == 0 {
        (Phase::Preempted, Evidence::PREEMPTED)
    } else if state & UNINTERRUPTIBLE != 0 {
        let phase = if fault.evidence.any(FOR_IO) {
            Phase::Io
        } else {
            Phase::Sleep
        };
        (phase, Evidence::SLEPT_D)
    } else if state & INTERRUPTIBLE != 0 {
        (Phase::Sleep, Evidence::SLEPT_S)
    } else {
        (Phase::Sleep, 0)
    }
}
