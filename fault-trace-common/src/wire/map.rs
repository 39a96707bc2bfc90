//! Map values.

use crate::{
    evidence::Evidence,
    histogram::BUCKETS,
    ledger::{FaultCounters, Ledger},
    open::OpenFaults,
    phase::{MEASURED, Spent},
};

use super::record::COMM_LEN;

/// What a thread, a process or a run has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Counts {
    pub started: u64,
    /// Ended, counted by the kernel as minor.
    pub minor: u64,
    /// Ended, counted by the kernel as major.
    pub major: u64,
    /// Closed without END.
    pub failed: u64,
    /// Written to the ring buffer.
    pub recorded: u64,
    /// Not written: the ring buffer was full.
    pub dropped: u64,
    /// Not written: filtered on request.
    pub filtered: u64,
    /// Faults without an exception, minor and major: what the kernel's counters moved beyond the ENDs.
    pub gup: u64,
    /// Sum of the known latencies, ns.
    pub latency_ns: u64,
    /// Of those that passed the filters: the time in phases other than the CPU's, ns.
    #[cfg_attr(feature = "user", serde(default))]
    pub off_cpu_ns: u64,
    /// Left out by the filters, so that they are in no class.
    #[cfg_attr(feature = "user", serde(default))]
    pub left_out: u64,
    /// Of those, counted by the kernel as major.
    #[cfg_attr(feature = "user", serde(default))]
    pub left_out_major: u64,
    /// Of those, closed without END.
    #[cfg_attr(feature = "user", serde(default))]
    pub left_out_failed: u64,
    /// Sum of their known latencies, ns.
    #[cfg_attr(feature = "user", serde(default))]
    pub left_out_ns: u64,
    /// By how much the kernel's own `min_flt` grew: of threads that exited, and never left the target.
    pub kernel_minor: u64,
    /// The kernel's own `maj_flt`, likewise.
    pub kernel_major: u64,
    /// Of `gup`, counted by the kernel as major.
    #[cfg_attr(feature = "user", serde(default))]
    pub gup_major: u64,
    /// Of `gup`, inferred: put zeroed pages into a private mapping.
    #[cfg_attr(feature = "user", serde(default))]
    pub gup_zeroed: u64,
    /// Of `gup`, inferred: copied a page for a private mapping.
    #[cfg_attr(feature = "user", serde(default))]
    pub gup_copied: u64,
    /// Of `gup`, inferred: mapped pages of a file.
    #[cfg_attr(feature = "user", serde(default))]
    pub gup_file: u64,
    /// Of `gup`, inferred: mapped shared memory.
    #[cfg_attr(feature = "user", serde(default))]
    pub gup_shared: u64,
    /// Base pages that those zeroed, copied, and newly took for shared memory.
    #[cfg_attr(feature = "user", serde(default))]
    pub gup_zeroed_pages: u64,
    #[cfg_attr(feature = "user", serde(default))]
    pub gup_shared_pages: u64,
}

impl Counts {
    /// Nothing counted yet.
    pub const NONE: Self = Self {
        started: 0,
        minor: 0,
        major: 0,
        failed: 0,
        recorded: 0,
        dropped: 0,
        filtered: 0,
        gup: 0,
        latency_ns: 0,
        off_cpu_ns: 0,
        left_out: 0,
        left_out_major: 0,
        left_out_failed: 0,
        left_out_ns: 0,
        kernel_minor: 0,
        kernel_major: 0,
        gup_major: 0,
        gup_zeroed: 0,
        gup_copied: 0,
        gup_file: 0,
        gup_shared: 0,
        gup_zeroed_pages: 0,
        gup_shared_pages: 0,
    };
}

/// A value of the map `THREADS`: one live thread that faulted. Only that thread writes to it.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct ThreadStats {
    pub counts: Counts,
    pub pid: u32,
    /// 0 marks a free slot.
    pub tid: u32,
    pub comm: [u8; COMM_LEN],
    /// The kernel's own counters where the thread's account begins. Written once, as the name nearly is: the
    /// counts of the next thread share their cache line with nothing else.
    pub first: FaultCounters,
}

/// A value of the map `PROCESSES`: what a process's exited threads had counted. Key: pid.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct ProcessStats {
    pub counts: Counts,
    pub comm: [u8; COMM_LEN],
}

impl ProcessStats {
    /// A process of which nothing is counted yet.
    pub const EMPTY: &'static Self = &Self {
        counts: Counts::NONE,
        comm: [0; COMM_LEN],
    };
}

/// Numbers that fill the cache lines of [`ClassStats`] before its buckets.
const CLASS_PADDING: usize = (7 + MEASURED).next_multiple_of(8) - (7 + MEASURED);

/// A value of the per-CPU map `CLASSES`; the index is the class's number.
#[derive(Clone, Copy)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct ClassStats {
    /// Faults whose latency is unknown; the others are counted in `buckets`.
    pub untimed: u64,
    pub inferred: u64,
    pub major: u64,
    /// Base pages allocated.
    pub pages: u64,
    /// Sum of the known latencies, ns.
    pub sum_ns: u64,
    /// All ones minus the smallest latency, so that a zeroed value means none; ns.
    pub min_ns_inverted: u64,
    pub max_ns: u64,
    /// Sum over the known latencies, ns.
    pub phases_ns: Spent,
    pub padding: [u64; CLASS_PADDING],
    /// Faults a latency bucket, see [`crate::histogram`].
    pub buckets: [u64; BUCKETS],
}

/// How many entries `TASKS` has: a power of two.
pub const TASKS_LEN: u32 = 1 << 13;

/// A value of the map `TASKS`; the index is made of the task's address.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct TaskEntry {
    /// The thread whose state this is (`struct task_struct *`); 0 if it is nobody's.
    pub owner: u64,
    /// Whether threads that belong here found it taken, and have their state in `TASKS_BESIDE`; 0 or 1.
    pub crowded: u64,
    pub state: TaskState,
}

/// What is known of a thread that faulted.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct TaskState {
    pub open: OpenFaults,
    /// The evidence and error code last classified, and the verdict. The next are mostly the same.
    pub judged: Evidence,
    pub judged_code: u32,
    pub verdict: u32,
    pub ledger: Ledger,
    /// The kernel's own counters, up to which they are in [`Counts::kernel_minor`] and `kernel_major`.
    pub kernel: FaultCounters,
    /// Index into `THREADS`; 0 is shared by threads that found no free slot.
    pub slot: u32,
    /// The id of the thread if it has exited, otherwise 0. It may still fault while it tears down.
    pub exited: u32,
    /// The ids of the stacks of the fault that is being closed; 0 if none was taken.
    pub user_stack: u64,
    pub kernel_stack: u64,
    /// Whether the fault that is being closed is thinned out: a `THINNING_…` constant.
    pub thinning: u32,
    /// Whether the thread's stack is being read: faults meanwhile are the tracer's. 0 or 1.
    pub reading_stack: u32,
    /// The cgroup the thread was last seen in, and the kernel's pointer that changes with it.
    pub cgroup_id: u64,
    pub cgroups: u64,
    /// What the thread's sample is drawn from.
    pub random: u64,
    /// Whether the thread is in the map `AWAY`; 0 or 1.
    pub away: u32,
    /// Whether the thread has left the target, by cgroup, user or name; 0 or 1. It is back at its next START
    /// in the target.
    pub outside: u32,
    /// Whether its newest fault began outside; 0 or 1.
    pub began_outside: u32,
    pub padding: u32,
}

/// [`TaskState::thinning`]: not decided yet.
pub const THINNING_OPEN: u32 = 0;
/// [`TaskState::thinning`]: the fault is to be recorded.
pub const THINNING_KEPT: u32 = 1;
/// [`TaskState::thinning`]: the fault is not to be recorded.
pub const THINNING_OUT: u32 = 2;
