//! `sched:sched_process_fork` (parent, child): follow the children of targets.

use aya_ebpf::{
    helpers::{bpf_get_current_comm, bpf_probe_read_kernel},
    programs::RawTracePointContext,
};
use fault_trace_common::{
    Counter,
    wire::{TARGET_PROCESSES, TASK_FORKED},
};

use crate::{
    config,
    current::Current,
    emit,
    maps::{PROCESSES, TARGETS, count, hint_target},
    task,
};

pub(crate) fn forked(ctx: &RawTracePointContext) {
    let child: u64 = ctx.arg(1);
    let Some((pid, tid)) = child_ids(child) else {
        return;
    };
    let current = Current::get();
    let parent = current.pid();
    if config::get!(target_kind) == TARGET_PROCESSES {
        follow(parent, pid);
    }
    if pid == parent || !task::is_target(current) {
        return;
    }
    if PROCESSES.get_ptr(&pid).is_some() {
        count(Counter::PidReused);
    }
    // The child starts with the parent's name.
    let comm = bpf_get_current_comm().unwrap_or_default();
    emit::task(TASK_FORKED, pid, tid, parent, &comm);
}

/// Keeps `TARGETS`: one more thread of a target, or a new process.
#[inline(always)]
fn follow(parent: u32, pid: u32) {
    let threads = TARGETS.get_ptr_mut(&parent);
    if pid == parent {
        if let Some(threads) = threads {
            crate::maps::add_shared(threads, 1);
        }
        return;
    }
    if threads.is_some() && config::get!(follow_children) != 0 {
        hint_target(pid);
        if TARGETS.insert(&pid, &1, 0).is_err() {
            count(Counter::TargetsFull);
        }
    } else if TARGETS.get_ptr(&pid).is_some() {
        // The id belonged to a target once; this process is another.
        let _ = TARGETS.remove(&pid);
    }
}

/// The child's process and thread id; they lie at offsets that user space took from BTF.
#[inline(always)]
fn child_ids(child: u64) -> Option<(u32, u32)> {
    let (pid, tid) = (
        config::get!(task_tgid_offset),
        config::get!(task_pid_offset),
    );
    // SAFETY: the helper checks the address.
    let read = |offset: u32| unsafe {
        bpf_probe_read_kernel((child + u64::from(offset)) as *const u32).ok()
    };
    Some((read(pid)?, read(tid)?))
}
