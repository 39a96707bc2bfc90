//! The current thread: whether it is a target, its state, its counts.

use aya_ebpf::helpers::{
    bpf_get_current_uid_gid, bpf_get_prandom_u32, generated::bpf_get_current_ancestor_cgroup_id,
};
use fault_trace_common::{
    Closer, Counter, Evidence,
    ledger::{Deed, FaultCounters, Ledger, Settled},
    wire::{
        COMM_LEN, Counts, ProcessStats, TARGET_ALL, TARGET_CGROUP, TARGET_COMM, TARGET_PROCESSES,
        TARGET_USER, TASK_MOVED, TASK_SEEN, TaskState, ThreadStats,
    },
};

use crate::{
    close::{self, Closing},
    config,
    current::Current,
    emit, log,
    maps::{
        self, BEFORE, FREE_SLOTS, NEXT_SLOT, PROCESSES, TARGETS, THREAD_SLOTS, THREADS, add_shared,
        count, fetch_add_shared, may_be_target,
    },
    names, states,
};

/// The state of the current thread, made if it is a target and has none yet.
#[inline(always)]
pub(crate) fn target_state(current: Current) -> Option<&'static mut TaskState> {
    match states::state(current) {
        // Otherwise another's, who had the same address and is gone.
        Some(state) if !is_stale(current, state) => Some(state),
        _ if is_target(current) => create(),
        _ => None,
    }
}

/// The same when the thread exits, which it does once. One that can leave the target has been there only
/// if it has a state.
#[inline(always)]
pub(crate) fn target_state_at_exit(current: Current) -> Option<&'static mut TaskState> {
    match states::state(current) {
        Some(state) if state.exited == 0 => Some(state),
        _ if !may_cease_to_be_target() && is_target(current) => create(),
        _ => None,
    }
}

/// Whether the exit of the current thread was seen. Another may have had the same address, and the same state,
/// before.
#[inline(always)]
pub(crate) fn has_exited(current: Current, state: &TaskState) -> bool {
    state.exited != 0 && state.exited == current.ids().1
}

/// Whether the state is of another thread, which had the same address and is gone.
#[inline(always)]
fn is_stale(current: Current, state: &TaskState) -> bool {
    state.exited != 0 && !has_exited(current, state)
}

/// Whether the current thread is to be traced.
#[inline(always)]
pub(crate) fn is_target(current: Current) -> bool {
    let kind = config::get!(target_kind);
    if kind == TARGET_ALL {
        return true;
    }
    match kind {
        TARGET_CGROUP => {
            let level = config::get!(target_cgroup_level) as i32;
            // SAFETY: no pointers.
            let id = unsafe { bpf_get_current_ancestor_cgroup_id(level) };
            id == config::get!(target_cgroup_id)
        }
        TARGET_USER => bpf_get_current_uid_gid() as u32 == config::get!(target_uid),
        TARGET_COMM => current.comm() == config::get!(target_comm),
        _ => {
            let (pid, tid) = current.ids();
            let id = if kind == TARGET_PROCESSES { pid } else { tid };
            may_be_target(id) && TARGETS.get_ptr(&id).is_some()
        }
    }
}

/// Whether a thread can stop being a target: it moves to another cgroup, or changes its user or name.
#[inline(always)]
pub(crate) fn may_cease_to_be_target() -> bool {
    config::get!(targets_may_leave) != 0
}

/// Whether a START of the current thread belongs to the run. What came before it is entered.
#[inline(always)]
pub(crate) fn starts_inside(current: Current, state: &mut TaskState) -> bool {
    if may_cease_to_be_target() {
        return starts_in_target(state) != 0;
    }
    if let Some(now) = current.fault_counters()
        && !state.ledger.is_settled(now)
    {
        settle_moved(state);
    }
    true
}

/// Whether the thread has completed a fault since what is accounted for.
#[inline(always)]
pub(crate) fn has_moved(current: Current, state: &TaskState) -> bool {
    current
        .fault_counters()
        .is_some_and(|now| state.ledger.has_moved(now))
}

/// The same where a thread can leave the target. Apart, so that others do not pay for it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn starts_in_target(state: *mut TaskState) -> u32 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    let Some(state) = (unsafe { state.as_mut() }) else {
        return 0;
    };
    look(state);
    state.began_outside = state.outside;
    u32::from(state.outside == 0)
}

/// Enters what moved beyond the ENDs, and looks whether the thread, which may have left the target, is there now.
#[inline(always)]
pub(crate) fn look(state: &mut TaskState) {
    settle_moved(state);
    if may_cease_to_be_target() {
        state.outside = u32::from(!is_target(Current::get()));
    }
}

/// The same just before the thread gets another name.
#[inline(always)]
pub(crate) fn look_at_name(state: &mut TaskState, comm: &[u8; COMM_LEN]) {
    look(state);
    if config::get!(target_kind) == TARGET_COMM {
        state.outside = u32::from(*comm != config::get!(target_comm));
    }
}

/// Enters what the thread's counters moved beyond the ENDs: faults without an exception. Of a thread that has
/// left the target they are none of the run's.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn settle_moved(state: *mut TaskState) -> u32 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    let Some(state) = (unsafe { state.as_mut() }) else {
        return 0;
    };
    let current = Current::get();
    let Some(now) = current.fault_counters() else {
        return 0;
    };
    // While the hooks are detached, faults have no START.
    if !maps::is_counting() || is_stale(current, state) {
        return 0;
    }
    let settled = state.ledger.settle(now, config::get!(hooks));
    if settled.faults.total() != 0
        && state.outside == 0
        && let Some((counts, shared)) = counts(state)
    {
        add_gup(counts, &settled, shared);
    }
    0
}

#[inline(always)]
fn add_gup(counts: &mut Counts, settled: &Settled, shared: bool) {
    maps::add(&raw mut counts.gup, settled.faults.total(), shared);
    maps::add(&raw mut counts.gup_major, settled.faults.major, shared);
    let pages = u64::from(settled.pages);
    let deed = match settled.deed {
        Deed::Zeroed => {
            maps::add(&raw mut counts.gup_zeroed_pages, pages, shared);
            &raw mut counts.gup_zeroed
        }
        Deed::Shared => {
            maps::add(&raw mut counts.gup_shared_pages, pages, shared);
            &raw mut counts.gup_shared
        }
        Deed::Copied => &raw mut counts.gup_copied,
        Deed::File => &raw mut counts.gup_file,
        Deed::Other => return,
    };
    maps::add(deed, 1, shared);
}

/// Notes what pages show while no fault of the thread is open. Apart, as few events come to this.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn note_loose(state: *mut TaskState, evidence: u64, pages: u32) -> u32 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    let Some(state) = (unsafe { state.as_mut() }) else {
        return 0;
    };
    let current = Current::get();
    let Some(now) = current.fault_counters() else {
        return 0;
    };
    if is_stale(current, state) {
        return 0;
    }
    if state.ledger.has_moved(now) {
        // What was left of a fault that is over: the thread has taken another, if not this one.
        close::down_to(state, 0, Closing::late(Closer::NextStart));
        look(state);
    } else if may_cease_to_be_target() {
        look(state);
    }
    state.ledger.note(evidence, pages);
    0
}

/// Enters an END without a START, of a fault that was in progress when counting began, or when its thread
/// became a target: the thread's account begins with the next one.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn ended_unmatched(address: u64, is_major: u32) -> u32 {
    let current = Current::get();
    let state = match states::state(current) {
        Some(state) if !is_stale(current, state) => state,
        // Of a thread that can leave the target it began outside, or before tracing did.
        _ if may_cease_to_be_target() || !maps::is_counting() || !is_target(current) => {
            return 0;
        }
        _ => match create() {
            Some(state) => state,
            None => return 0,
        },
    };
    if state.began_outside != 0 || (may_cease_to_be_target() && state.outside != 0) {
        state.began_outside = 0;
    } else if maps::is_counting() {
        count(Counter::EndUnmatched);
        log::end_unmatched(address, Evidence::of(Evidence::ENDED).word);
    } else {
        return 0;
    }
    let Some(now) = current.fault_counters() else {
        return 0;
    };
    if !state.ledger.has_moved(now) {
        // The account was opened just now.
        return 0;
    }
    // What it did is none of a fault without an exception.
    state.ledger.evidence = Evidence::NONE;
    state.ledger.ended(is_major != 0);
    state.kernel.raise(is_major != 0);
    if state.slot != 0
        && let Some(thread) = THREADS.get_ptr_mut(state.slot)
    {
        // SAFETY: a live map value, written to by this thread alone.
        unsafe { (*thread).first.raise(is_major != 0) };
    }
    0
}

/// Tells user space if the thread was moved to another cgroup since it last faulted.
#[inline(always)]
pub(crate) fn note_cgroup(current: Current, state: &mut TaskState) {
    if config::get!(emit) == 0 {
        return;
    }
    let cgroups = current.cgroups();
    if cgroups != 0 && cgroups == state.cgroups {
        return;
    }
    state.cgroups = cgroups;
    let cgroup_id = current.cgroup_id();
    if cgroup_id != state.cgroup_id {
        state.cgroup_id = cgroup_id;
        emit::task(TASK_MOVED, current.ids(), 0, cgroup_id, &current.comm());
    }
}

#[inline(never)]
fn create() -> Option<&'static mut TaskState> {
    if !maps::is_counting() {
        return None;
    }
    let current = Current::get();
    let Some(state) = states::make(current) else {
        count(Counter::TaskStateFailed);
        return None;
    };
    let (pid, tid) = current.ids();
    let comm = current.comm();
    names::name_process(current);
    let first = first_counters(current);
    state.ledger = Ledger::from(first);
    state.kernel = first;
    state.cgroups = current.cgroups();
    state.cgroup_id = current.cgroup_id();
    // SAFETY: no arguments to get wrong.
    state.random = u64::from(unsafe { bpf_get_prandom_u32() }) << 32;
    state.slot = take_slot();
    if state.slot == 0 {
        count(Counter::ThreadSlotsFull);
    } else if let Some(thread) = THREADS.get_ptr_mut(state.slot) {
        // SAFETY: a live map value; the slot is this thread's.
        unsafe {
            *thread = ThreadStats {
                counts: Counts::NONE,
                pid,
                tid,
                comm,
                first,
            };
        }
    }
    emit::task(TASK_SEEN, (pid, tid), 0, state.cgroup_id, &comm);
    Some(state)
}

/// Where the account of the current thread begins. If it was a target before its first START, it may have been
/// through get_user_pages() already.
#[inline(always)]
fn first_counters(current: Current) -> FaultCounters {
    let Some(now) = current.fault_counters() else {
        return FaultCounters { minor: 0, major: 0 };
    };
    if may_cease_to_be_target() {
        return now;
    }
    // The kernel's counters of a new thread begin at 0 (`copy_mm` in kernel/fork.c).
    if current.start_ns() >= maps::counting_since() {
        return FaultCounters { minor: 0, major: 0 };
    }
    match BEFORE.get_ptr(&current.ids().1) {
        // SAFETY: a live map value, which nobody writes to any more.
        Some(before) => unsafe { *before },
        None => now,
    }
}

/// A free slot of `THREADS`, or 0 if there is none.
#[inline(always)]
fn take_slot() -> u32 {
    if let Ok(Some(slot)) = FREE_SLOTS.pop() {
        return slot;
    }
    let Some(next) = NEXT_SLOT.get_ptr_mut(0) else {
        return 0;
    };
    const LAST: u64 = THREAD_SLOTS as u64 - 1;
    // SAFETY: a live, aligned map value. Read first, so that the counter stays near the bound.
    if unsafe { next.read_volatile() } >= LAST {
        return 0;
    }
    let slot = fetch_add_shared(next, 1) + 1;
    if slot <= LAST { slot as u32 } else { 0 }
}

/// Where the current thread counts, and whether others count there, too.
#[inline(always)]
pub(crate) fn counts(state: &TaskState) -> Option<(&'static mut Counts, bool)> {
    if state.exited != 0 {
        let process = process(Current::get().pid())?;
        return Some((&mut process.counts, true));
    }
    let thread = THREADS.get_ptr_mut(state.slot)?;
    // SAFETY: a live map value; shared use is atomic.
    Some((unsafe { &mut (*thread).counts }, state.slot == 0))
}

/// The entry of `PROCESSES` for `pid`, made if need be; the common one when the map is full.
#[inline(always)]
pub(crate) fn process(pid: u32) -> Option<&'static mut ProcessStats> {
    if let Some(process) = PROCESSES.get_ptr_mut(&pid) {
        // SAFETY: a live map value; concurrent use is atomic.
        return Some(unsafe { &mut *process });
    }
    // BPF_NOEXIST: another thread of the process may have been faster.
    let _ = PROCESSES.insert(&pid, ProcessStats::EMPTY, 1);
    if let Some(process) = PROCESSES.get_ptr_mut(&pid) {
        // SAFETY: as above.
        return Some(unsafe { &mut *process });
    }
    count(Counter::ProcessesFull);
    let _ = PROCESSES.insert(&0, ProcessStats::EMPTY, 1);
    // SAFETY: as above.
    PROCESSES
        .get_ptr_mut(&0)
        .map(|process| unsafe { &mut *process })
}

/// Enters what the counters of a thread moved that tears down after its exit was seen, and by how much they grew.
/// Apart, as few faults come then.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn settle_exited(state: *mut TaskState) -> u32 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    let Some(state) = (unsafe { state.as_mut() }) else {
        return 0;
    };
    settle_moved(state);
    if state.outside == 0
        && let Some((counts, _)) = counts(state)
    {
        settle_kernel_counters(Current::get(), state, counts);
    }
    0
}

/// Adds by how much the kernel's own counters of the thread have grown since they were last read.
#[inline(always)]
pub(crate) fn settle_kernel_counters(current: Current, state: &mut TaskState, counts: &mut Counts) {
    let Some(now) = current.fault_counters() else {
        return;
    };
    // Those of a thread that can leave the target grow outside, too.
    if may_cease_to_be_target() {
        return;
    }
    // A fault that was expected and did not come makes this negative.
    let grown = now.since(state.kernel);
    add_shared(&raw mut counts.kernel_minor, grown.minor);
    add_shared(&raw mut counts.kernel_major, grown.major);
    state.kernel = now;
}
