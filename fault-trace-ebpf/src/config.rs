//! What user space set before the programs were loaded. The verifier knows the values: branches that
//! a run does not need are removed.

use fault_trace_common::{
    Hooks, Regions,
    wire::{COMM_LEN, Config, KernelFilter, TARGET_ALL},
};

#[unsafe(no_mangle)]
pub(crate) static CONFIG: Config = Config {
    regions: Regions::DEFAULT,
    hooks: Hooks::ALL,
    target_kind: TARGET_ALL,
    follow_children: 1,
    emit: 1,
    targets_may_leave: 0,
    filter: KernelFilter::NONE,
    task_pid_offset: 0,
    task_tgid_offset: 0,
    task_mm_offset: 0,
    task_pagefault_disabled_offset: 0,
    task_group_leader_offset: 0,
    task_comm_offset: 0,
    task_min_flt_offset: 0,
    task_maj_flt_offset: 0,
    task_cgroups_offset: 0,
    task_start_time_offset: 0,
    has_prev_state: 0,
    stacks: 0,
    target_cgroup_id: 0,
    target_cgroup_level: 0,
    target_uid: 0,
    target_comm: [0; COMM_LEN],
};

macro_rules! get {
    ($($field:ident).+) => {
        // SAFETY: in bounds and aligned; volatile, because the loader replaces the value.
        unsafe { core::ptr::read_volatile(&raw const $crate::config::CONFIG.$($field).+) }
    };
}
pub(crate) use get;

/// The address regions of this kernel. A reference: only what is looked at is loaded.
#[inline(always)]
pub(crate) fn regions() -> &'static Regions {
    // black_box hides the value that the compiler sees, since the loader replaces it.
    core::hint::black_box(&CONFIG.regions)
}
