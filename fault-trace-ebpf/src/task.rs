//! The current thread: whether it is a target, its state, its counts.

use aya_ebpf::helpers::{
    bpf_get_current_uid_gid, bpf_get_prandom_u32, generated::bpf_get_current_ancestor_cgroup_id,
};
use fault_trace_common::{
    Counter, Evidence,
    wire::{
        Counts, ProcessStats, TARGET_ALL, TARGET_CGROUP, TARGET_COMM, TARGET_PROCESSES,
        TARGET_USER, TASK_MOVED, TASK_SEEN, TaskState, ThreadStats,
    },
};

use crate::{
    config,
    current::Current,
    emit,
    maps::{
        self, FREE_SLOTS, NEXT_SLOT, PROCESSES, TARGETS, THREAD_SLOTS, THREADS, add_shared, count,
        fetch_add_shared, may_be_target,
    },
    names, states,
};

/// The state of the current thread, made if it is a target and has none yet.
#[inline(always)]
pub(crate) fn target_state(current: Current) -> Option<&'static mut TaskState> {
    match states::state(current) {
        // Otherwise another's, who had the same address and is gone.
        Some(state) if state.exited == 0 || current.is_exiting() => Some(state),
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

/// Whether a START of the current thread belongs to the run.
#[inline(always)]
pub(crate) fn starts_inside(state: &mut TaskState) -> bool {
    !may_cease_to_be_target() || starts_in_target(state) != 0
}

/// The same where a thread can leave the target. It is compared with the kernel's counters from its first
/// START there to its last END, exit or allocation there. Apart, so that others do not pay for it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn starts_in_target(state: *mut TaskState) -> u32 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    let Some(state) = (unsafe { state.as_mut() }) else {
        return 0;
    };
    let current = Current::get();
    if !is_target(current) {
        state.outside = 1;
        return 0;
    }
    if state.outside != 0 {
        state.outside = 0;
        (state.kernel_minor, state.kernel_major) = current.fault_counters();
    }
    1
}

/// Whether the current thread, which has a state, is a target without having left it since its last START.
#[inline(always)]
pub(crate) fn is_inside(current: Current, state: &mut TaskState) -> bool {
    if !may_cease_to_be_target() {
        return true;
    }
    if state.outside == 0 && !is_target(current) {
        state.outside = 1;
    }
    state.outside == 0
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
    let (kernel_minor, kernel_major) = current.fault_counters();
    state.kernel_minor = kernel_minor;
    state.kernel_major = kernel_major;
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
                counts: ProcessStats::EMPTY.counts,
                pid,
                tid,
                comm,
                first_minor: kernel_minor,
                first_major: kernel_major,
                padding: [0; 3],
            };
        }
    }
    emit::task(TASK_SEEN, (pid, tid), 0, state.cgroup_id, &comm);
    Some(state)
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

/// Reads the kernel's own counters of a thread whose fault is closed with that evidence: of one that tears
/// down after its exit was seen, and at an END of one that can leave the target. Apart, as nearly none does.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn settle_closed(state: *mut TaskState, evidence: u64) -> u32 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    let Some(state) = (unsafe { state.as_mut() }) else {
        return 0;
    };
    let ended = Evidence {
        word: evidence,
        more: 0,
    }
    .any(Evidence::ENDED);
    if state.outside == 0
        && (ended || state.exited != 0)
        && let Some((counts, _)) = counts(state)
    {
        settle_kernel_counters(Current::get(), state, counts);
    }
    0
}

/// Reads the kernel's own counters where a fault is closed, if need be.
#[inline(always)]
pub(crate) fn settle(state: &mut TaskState, evidence: u64) {
    if state.exited != 0 || may_cease_to_be_target() {
        settle_closed(state, evidence);
    }
}

/// Adds by how much the kernel's own counters of the thread have grown since they were last read.
#[inline(always)]
pub(crate) fn settle_kernel_counters(current: Current, state: &mut TaskState, counts: &mut Counts) {
    let (minor, major) = current.fault_counters();
    // A fault that was expected and did not come makes this negative.
    let grown = |now: u64, before| now.wrapping_sub(before);
    add_shared(
        &raw mut counts.kernel_minor,
        grown(minor, state.kernel_minor),
    );
    add_shared(
        &raw mut counts.kernel_major,
        grown(major, state.kernel_major),
    );
    (state.kernel_minor, state.kernel_major) = (minor, major);
}

/// Counts a fault without an exception of a target, which the kernel counts once it is completed. Apart, as
/// few faults come to this.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn count_gup(state: *mut TaskState) -> u32 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    let Some(state) = (unsafe { state.as_mut() }) else {
        return 0;
    };
    if is_inside(Current::get(), state)
        && let Some((counts, shared)) = counts(state)
    {
        maps::add(&raw mut counts.gup, 1, shared);
        state.allocated_loose = 1;
        if may_cease_to_be_target() {
            // The thread may leave before the next END.
            maps::add(&raw mut counts.kernel_minor, 1, shared);
            state.kernel_minor = state.kernel_minor.wrapping_add(1);
        }
    }
    0
}
