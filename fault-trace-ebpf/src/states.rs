//! Per-thread state, stored in a fixed array indexed by a hash of the `task_struct` address. Freed on
//! `sched_process_free`.

use fault_trace_common::wire::{TASKS_LEN, TaskEntry, TaskState};

use crate::{
    current::Current,
    log,
    maps::{TASKS, TASKS_BESIDE, claim, fetch_add_shared},
};

/// The state of the current thread, if it has one: it is a target that has faulted.
#[inline(always)]
pub(crate) fn state(current: Current) -> Option<&'static mut TaskState> {
    let entry = entry(current.address())?;
    if entry.owner == current.address() {
        return Some(&mut entry.state);
    }
    if entry.crowded == 0 {
        return None;
    }
    current.stored(&TASKS_BESIDE)
}

/// The state of a task (`struct task_struct *`) that need not be the current one, unless it is kept
/// beside.
#[inline(always)]
pub(crate) fn of(task: u64) -> Option<&'static mut TaskState> {
    let entry = entry(task)?;
    (entry.owner == task).then_some(&mut entry.state)
}

/// The entry of `TASKS` where the state of a task (`struct task_struct *`) belongs. By its address:
/// the id of a thread can change when it executes a program (de_thread() in fs/exec.c).
#[inline(always)]
fn entry(task: u64) -> Option<&'static mut TaskEntry> {
    // The high bits of a product with the golden ratio depend on all bits.
    const GOLDEN: u32 = 0x9e37_79b9;
    let index = low_half(task).wrapping_mul(GOLDEN) >> (u32::BITS - TASKS_LEN.ilog2());
    // SAFETY: a live map value. Others write to `owner` and `crowded`, each a word, only.
    TASKS.get_ptr_mut(index).map(|entry| unsafe { &mut *entry })
}

/// The low half of a pointer, in the one way that the verifier allows: it multiplies and shifts none.
#[inline(always)]
fn low_half(pointer: u64) -> u32 {
    let mut low = pointer;
    // SAFETY: changes nothing but this register.
    unsafe {
        core::arch::asm!("w1 = w1", inout("r1") low, options(pure, nomem, nostack));
    }
    low as u32
}

/// Makes a state for the current thread, which has none.
#[inline(always)]
pub(crate) fn make(current: Current) -> Option<&'static mut TaskState> {
    let entry = entry(current.address())?;
    if entry.owner == current.address() {
        clear(&mut entry.state);
        return Some(&mut entry.state);
    }
    if claim(&raw mut entry.owner, current.address()) {
        return Some(&mut entry.state);
    }
    entry.crowded = 1;
    log::state_claimed();
    current.storage(&TASKS_BESIDE)
}

#[inline(always)]
fn clear(state: &mut TaskState) {
    // SAFETY: plain numbers, for which 0 is fine.
    unsafe { core::ptr::write_bytes(state, 0, 1) };
}

/// Gives up the state of a task (`struct task_struct *`) that is gone; task storage does so by itself. Not
/// to be relied on: on a busy machine the kernel was seen to leave out tens of a thousand runs, in a row,
/// while perf counted every event (6.18; the event comes in softirqs).
#[inline(always)]
pub(crate) fn forget(task: u64) {
    let Some(entry) = entry(task) else {
        return;
    };
    if entry.owner != task {
        return;
    }
    // The next owner finds it blank.
    clear(&mut entry.state);
    fetch_add_shared(&raw mut entry.owner, task.wrapping_neg());
}
