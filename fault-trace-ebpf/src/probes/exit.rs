//! A thread's end: `sched:sched_process_exit`, when its counts go to its process, and
//! `sched:sched_process_free`, when nothing of it is left.
//!
//! The kernel leaves out a program that another thread is in on the same CPU (`__bpf_trace_run` in
//! kernel/trace/bpf_trace.c). Since 7.0 that thread may have been preempted there. The last switch away from a
//! thread makes up for it: no thread is preempted in the scheduler.

use aya_ebpf::programs::RawTracePointContext;
use fault_trace_common::{
    Closer,
    wire::{Counts, TARGET_PROCESSES, TASK_EXITED, TaskState},
};

use crate::{
    close::{self, Closing},
    config,
    current::Current,
    emit,
    maps::{FREE_SLOTS, TARGETS, THREADS, add_shared, fetch_add_shared},
    names, states, task,
};

/// `sched_process_free`.
pub(crate) fn freed(ctx: &RawTracePointContext) {
    states::forget(argument!(ctx, sched_process_free.p));
}

/// `sched_process_exit`.
pub(crate) fn exited(_ctx: &RawTracePointContext) {
    leave();
}

/// Ends the account of the current thread, for good. Apart, as two programs come to it.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn leave() -> u32 {
    // A thread that never faulted may still have been through get_user_pages().
    let current = Current::get();
    if let Some(state) = task::target_state_at_exit(current) {
        close::down_to(state, 0, Closing::late(Closer::Exit));
        hand_over(current, state);
        names::name_process(current);
        let cgroup_id = current.cgroup_id();
        emit::task(TASK_EXITED, current.ids(), 0, cgroup_id, &current.comm());
    }
    forget_target(current);
    0
}

/// Adds the thread's counts to its process and frees its slot.
#[inline(always)]
fn hand_over(current: Current, state: &mut TaskState) {
    task::look(state);
    let Some(process) = task::process(current.pid()) else {
        return;
    };
    if state.slot != 0
        && let Some(thread) = THREADS.get_ptr_mut(state.slot)
    {
        // SAFETY: a live map value, written to by this thread alone.
        let thread = unsafe { &mut *thread };
        add_counts(&mut process.counts, &thread.counts);
        thread.tid = 0;
        thread.counts = Counts::NONE;
        let _ = FREE_SLOTS.push(&state.slot, 0);
        // The state may outlive the thread, while the slot becomes another's.
        state.slot = 0;
    }
    // From 6.16 on this tracepoint comes before the address space is torn down, which can fault.
    state.exited = current.ids().1;
    task::settle_kernel_counters(current, state, &mut process.counts);
}

#[inline(always)]
fn add_counts(sum: &mut Counts, counts: &Counts) {
    add_shared(&raw mut sum.started, counts.started);
    add_shared(&raw mut sum.minor, counts.minor);
    add_shared(&raw mut sum.major, counts.major);
    add_shared(&raw mut sum.failed, counts.failed);
    add_shared(&raw mut sum.recorded, counts.recorded);
    add_shared(&raw mut sum.dropped, counts.dropped);
    add_shared(&raw mut sum.filtered, counts.filtered);
    add_shared(&raw mut sum.gup, counts.gup);
    add_shared(&raw mut sum.latency_ns, counts.latency_ns);
    add_shared(&raw mut sum.off_cpu_ns, counts.off_cpu_ns);
    add_shared(&raw mut sum.left_out, counts.left_out);
    add_shared(&raw mut sum.left_out_major, counts.left_out_major);
    add_shared(&raw mut sum.left_out_failed, counts.left_out_failed);
    add_shared(&raw mut sum.left_out_ns, counts.left_out_ns);
    add_shared(&raw mut sum.kernel_minor, counts.kernel_minor);
    add_shared(&raw mut sum.kernel_major, counts.kernel_major);
    add_shared(&raw mut sum.gup_major, counts.gup_major);
    add_shared(&raw mut sum.gup_zeroed, counts.gup_zeroed);
    add_shared(&raw mut sum.gup_copied, counts.gup_copied);
    add_shared(&raw mut sum.gup_file, counts.gup_file);
    add_shared(&raw mut sum.gup_shared, counts.gup_shared);
    add_shared(&raw mut sum.gup_zeroed_pages, counts.gup_zeroed_pages);
    add_shared(&raw mut sum.gup_shared_pages, counts.gup_shared_pages);
}

/// A target process without a live thread is none any more: its id may be used again.
#[inline(always)]
fn forget_target(current: Current) {
    if config::get!(target_kind) != TARGET_PROCESSES {
        return;
    }
    let pid = current.pid();
    let Some(threads) = TARGETS.get_ptr_mut(&pid) else {
        return;
    };
    if fetch_add_shared(threads, u64::MAX) == 1 {
        let _ = TARGETS.remove(&pid);
    }
}
