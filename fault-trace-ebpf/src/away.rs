//! Threads that left the CPU in the middle of a fault, and when they came back.
//!
//! A thread leaves in a `sched_switch` of its own and comes back in another's: so the moment is kept in
//! a map by task, which that other can reach, until the thread itself takes it.

use fault_trace_common::{Counter, wire::TaskState};

use crate::{
    current::Current,
    maps::{AWAY, AWAY_COUNT, add_shared, count},
};

/// The current thread leaves the CPU.
#[inline(always)]
pub(crate) fn leave(state: &mut TaskState) {
    if state.away != 0 {
        return;
    }
    let task = Current::get().address();
    if AWAY.insert(&task, &0, 0).is_err() {
        count(Counter::AwayFull);
        return;
    }
    state.away = 1;
    change_count(1);
}

/// `task` is about to run on this CPU.
#[inline(always)]
pub(crate) fn come_back(task: u64, now_ns: impl FnOnce() -> u64) {
    let is_any_away = AWAY_COUNT
        .get_ptr(0)
        // SAFETY: a live, aligned map value.
        .is_some_and(|count| unsafe { count.read_volatile() } != 0);
    if is_any_away && let Some(back_ns) = AWAY.get_ptr_mut(&task) {
        // SAFETY: a live, aligned map value.
        unsafe { back_ns.write_volatile(now_ns()) };
    }
}

/// Ends the stretch that the current thread was away for, when it came back.
#[inline(always)]
pub(crate) fn settle(state: &mut TaskState) {
    if state.away == 0 {
        return;
    }
    state.away = 0;
    let task = Current::get().address();
    // SAFETY: a live, aligned map value.
    let back_ns = AWAY
        .get_ptr(&task)
        .map_or(0, |back_ns| unsafe { back_ns.read_volatile() });
    let _ = AWAY.remove(&task);
    change_count(u64::MAX);
    if back_ns != 0
        && let Some(fault) = state.open.newest_mut()
        && fault.is_phased()
        && fault.phases.is_away()
    {
        fault.phases.end_any(back_ns);
    }
}

#[inline(always)]
fn change_count(amount: u64) {
    if let Some(count) = AWAY_COUNT.get_ptr_mut(0) {
        add_shared(count, amount);
    }
}
