//! `sched:sched_process_fork`: follow the children of targets.

use aya_ebpf::programs::RawTracePointContext;
use fault_trace_common::{
    Counter,
    wire::{TARGET_PROCESSES, TASK_FORKED},
};

use crate::{
    config,
    current::Current,
    emit,
    maps::{PROCESSES, TARGETS, count, hint_target},
    names, task,
};

pub(crate) fn forked(ctx: &RawTracePointContext) {
    let child: u64 = argument!(ctx, sched_process_fork.child);
    let Some((pid, tid)) = names::ids_of(child) else {
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
    let (comm, cgroup_id) = (current.comm(), current.cgroup_id());
    emit::task(TASK_FORKED, (pid, tid), parent, cgroup_id, &comm);
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
