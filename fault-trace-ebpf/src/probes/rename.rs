//! `task:task_rename`: names over time. A thread may rename another of its process through
//! `/proc/PID/task/TID/comm`.

use aya_ebpf::programs::RawTracePointContext;
use fault_trace_common::wire::{TARGET_PROCESSES, TASK_RENAMED};

use crate::{
    config,
    current::Current,
    emit,
    maps::{PROCESSES, TARGETS, THREADS},
    names, states, task,
};

pub(crate) fn renamed(ctx: &RawTracePointContext) {
    let task: u64 = argument!(ctx, task_rename.task);
    let Some((pid, tid)) = names::ids_of(task) else {
        return;
    };
    if !is_known(pid) {
        return;
    }
    // The new name, not cut yet where a program was executed (`begin_new_exec` in fs/exec.c).
    let Some(comm) = names::read(argument!(ctx, task_rename.comm)) else {
        return;
    };
    if pid == tid
        && let Some(process) = PROCESSES.get_ptr_mut(&pid)
    {
        // SAFETY: a live map value; nobody else writes to its name at a rename.
        unsafe { (*process).comm = comm };
    }
    let current = Current::get();
    let is_own = task == current.address();
    let state = if is_own {
        states::state(current)
    } else {
        states::of(task)
    };
    if let Some(state) = state
        && state.slot != 0
        && let Some(thread) = THREADS.get_ptr_mut(state.slot)
    {
        // SAFETY: a live map value. The id is another after an exec by a thread that was not the main
        // one (`de_thread` in fs/exec.c).
        unsafe {
            (*thread).comm = comm;
            (*thread).tid = tid;
        }
    }
    if is_own
        && task::may_cease_to_be_target()
        && let Some(state) = states::state(current)
    {
        task::look_at_name(state, &comm);
    }
    let cgroup_id = if is_own { current.cgroup_id() } else { 0 };
    emit::task(TASK_RENAMED, (pid, tid), 0, cgroup_id, &comm);
}

/// Whether faults of this process are counted or may be soon. Others tell their names when they fault.
#[inline(always)]
fn is_known(pid: u32) -> bool {
    if config::get!(target_kind) == TARGET_PROCESSES {
        TARGETS.get_ptr(&pid).is_some()
    } else {
        PROCESSES.get_ptr(&pid).is_some()
    }
}
