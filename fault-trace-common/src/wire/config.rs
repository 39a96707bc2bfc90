//! What user space sets before the programs are loaded.

use crate::{class::Class, hooks::Hooks, region::Regions};

use super::record::COMM_LEN;

/// [`Config::stacks`]: none are taken.
pub const STACKS_NONE: u32 = 0;
/// [`Config::stacks`]: followed by frame pointers in the kernel.
pub const STACKS_FRAME_POINTERS: u32 = 1;
/// [`Config::stacks`]: the user's are copied, for user space to unwind.
pub const STACKS_COPIED: u32 = 2;

/// [`Config::target_kind`]: every thread of the machine.
pub const TARGET_ALL: u32 = 0;
/// [`Config::target_kind`]: the map `TARGETS` holds processes.
pub const TARGET_PROCESSES: u32 = 1;
/// [`Config::target_kind`]: the map `TARGETS` holds threads.
pub const TARGET_THREADS: u32 = 2;

/// [`Config::target_kind`]: threads in a cgroup or below it.
pub const TARGET_CGROUP: u32 = 3;
/// [`Config::target_kind`]: threads of a user.
pub const TARGET_USER: u32 = 4;
/// [`Config::target_kind`]: threads of a name.
pub const TARGET_COMM: u32 = 5;

/// The length of the map `TARGET_HINTS`; an id's index is its remainder.
pub const TARGET_HINTS_LEN: u32 = 1 << 16;

/// Which faults count, and which of those are written to the ring buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct KernelFilter {
    /// Classes that count, see [`Class::bit`].
    pub class_mask: u64,
    /// Addresses that count, first and last.
    pub address_first: u64,
    pub address_last: u64,
    /// Modes that count: 1 user mode, 2 kernel mode, 3 both.
    pub mode_mask: u32,
    /// One in this many faults is written to the ring buffer; at least 1.
    pub sample: u32,
    /// Faults known to be faster than this are not written to the ring buffer.
    pub min_latency_ns: u64,
}

impl KernelFilter {
    /// Every fault counts and is written.
    pub const NONE: Self = Self {
        class_mask: ALL_CLASSES,
        address_first: 0,
        address_last: u64::MAX,
        mode_mask: 3,
        sample: 1,
        min_latency_ns: 0,
    };
}

/// What user space sets before the programs are loaded.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Config {
    pub regions: Regions,
    /// The hooks that will be attached, see [`crate::Hooks`].
    pub hooks: Hooks,
    /// A `TARGET_…` constant.
    pub target_kind: u32,
    /// Whether children of target processes become targets; 0 or 1.
    pub follow_children: u32,
    /// Whether faults are written to the ring buffer; 0 or 1.
    pub emit: u32,
    /// Whether a thread can stop being a target: by cgroup, user or name; 0 or 1.
    pub targets_may_leave: u32,
    pub filter: KernelFilter,
    /// Offsets in `struct task_struct`, from BTF.
    pub task_pid_offset: u32,
    pub task_tgid_offset: u32,
    pub task_mm_offset: u32,
    pub task_pagefault_disabled_offset: u32,
    pub task_group_leader_offset: u32,
    pub task_comm_offset: u32,
    /// The same; 0 where unknown.
    pub task_min_flt_offset: u32,
    pub task_maj_flt_offset: u32,
    pub task_cgroups_offset: u32,
    pub task_start_time_offset: u32,
    /// Whether `sched_switch` passes the state of the thread that leaves (5.18); 0 or 1.
    pub has_prev_state: u32,
    /// How stacks are taken: a `STACKS_…` constant.
    pub stacks: u32,
    /// [`TARGET_CGROUP`]: its id, and how far below the root of the hierarchy it is.
    pub target_cgroup_id: u64,
    pub target_cgroup_level: u32,
    /// [`TARGET_USER`]: the real user id.
    pub target_uid: u32,
    /// [`TARGET_COMM`]: the name.
    pub target_comm: [u8; COMM_LEN],
}

/// [`KernelFilter::class_mask`] with every class selected.
pub const ALL_CLASSES: u64 = u64::MAX >> (u64::BITS as usize - Class::COUNT);
