//! The layout of what crosses from the eBPF programs to user space: ring-buffer records, map
//! values and read-only globals. Padding is explicit; numbers, no enums and no bools.

use crate::{class::Class, histogram::BUCKETS, open::OpenFaults, phase::Spent, region::Regions};

/// The length of a thread's name with its terminating NUL (`TASK_COMM_LEN`).
pub const COMM_LEN: usize = 16;

/// [`RecordHeader::kind`] of a [`FaultRecord`].
pub const KIND_FAULT: u16 = 1;
/// [`RecordHeader::kind`] of a [`TaskRecord`].
pub const KIND_TASK: u16 = 2;

/// [`RecordHeader::kind`] of a [`StackedFaultRecord`].
pub const KIND_STACKED_FAULT: u16 = 3;
/// [`RecordHeader::kind`] of a [`StackRecord`].
pub const KIND_STACK: u16 = 4;

/// [`RecordHeader::kind`] of a [`PhasesRecord`].
pub const KIND_PHASES: u16 = 6;
/// [`RecordHeader::kind`] of a [`StackCopyRecord`].
pub const KIND_STACK_COPY: u16 = 5;

/// The first bytes of every ring-buffer record.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RecordHeader {
    pub kind: u16,
    /// The CPU that wrote the record.
    pub cpu: u16,
    /// [`KIND_FAULT`]: the class's number. [`KIND_TASK`]: a `TASK_…` constant.
    pub class: u8,
    /// [`KIND_FAULT`]: the confidence's number.
    pub confidence: u8,
    /// [`KIND_FAULT`]: base pages that fault-around may have mapped.
    pub around_pages: u16,
}

/// [`FaultRecord::latency_ns`] of a fault whose end was not seen in time.
pub const LATENCY_UNKNOWN: u64 = u64::MAX;

/// One fault.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FaultRecord {
    pub header: RecordHeader,
    /// START, ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// START to END or a timely closer, ns, or [`LATENCY_UNKNOWN`].
    pub latency_ns: u64,
    pub address: u64,
    /// The faulting instruction; 0 if unknown.
    pub ip: u64,
    /// See [`crate::Evidence`].
    pub evidence: u64,
    /// See [`crate::ErrorCode`].
    pub error_code: u32,
    /// The process (thread group).
    pub pid: u32,
    pub tid: u32,
    /// Base pages allocated.
    pub pages: u32,
}

/// A fault with its stacks; the header says [`KIND_STACKED_FAULT`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct StackedFaultRecord {
    pub fault: FaultRecord,
    /// The id of the user stack, 0 if none was taken.
    pub user_stack: u64,
    /// The id of the kernel stack of a fault in kernel mode, 0 if none was taken.
    pub kernel_stack: u64,
}

/// The phases of a fault that was not on the CPU all the time: right before the fault's record, which
/// it shares the thread and the time with.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PhasesRecord {
    pub header: RecordHeader,
    /// START, ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub tid: u32,
    pub padding: u32,
    pub spent_ns: Spent,
}

/// The most frames of a stack that are kept: as many as perf keeps.
pub const STACK_FRAMES: usize = 127;

/// A stack that was not seen before. Only `length` frames are sent.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct StackRecord {
    pub header: RecordHeader,
    /// Made from the frames, never 0: equal stacks have equal ids.
    pub id: u64,
    pub length: u64,
    /// Return addresses, innermost first; the first is the faulting instruction itself.
    pub frames: [u64; STACK_FRAMES],
    /// Makes the size of what a power-of-two mask reaches.
    pub padding: u64,
}

/// The most bytes of a user stack that are copied: as many as perf copies.
pub const STACK_COPY_BYTES: usize = 8 << 10;

/// The registers and the top of the user stack of a fault, which refers to it by `id`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct StackCopyRecord {
    pub header: RecordHeader,
    pub id: u64,
    pub ip: u64,
    pub sp: u64,
    pub bp: u64,
    /// Bytes copied, from `sp` upwards.
    pub length: u64,
    pub bytes: [u8; STACK_COPY_BYTES],
}

/// The bytes of a [`StackCopyRecord`] before the copy.
pub const STACK_COPY_HEADER_BYTES: usize = 48;

/// [`Config::stacks`]: none are taken.
pub const STACKS_NONE: u32 = 0;
/// [`Config::stacks`]: followed by frame pointers in the kernel.
pub const STACKS_FRAME_POINTERS: u32 = 1;
/// [`Config::stacks`]: the user's are copied, for user space to unwind.
pub const STACKS_COPIED: u32 = 2;

/// The bytes of a [`StackRecord`] before its frames.
pub const STACK_HEADER_BYTES: usize = 24;

/// [`RecordHeader::class`] of a [`TaskRecord`]: the thread's first fault.
pub const TASK_SEEN: u8 = 1;
/// [`RecordHeader::class`] of a [`TaskRecord`]: the thread got another name.
pub const TASK_RENAMED: u8 = 2;
/// [`RecordHeader::class`] of a [`TaskRecord`]: a process was forked; `parent_pid` is set.
pub const TASK_FORKED: u8 = 3;
/// [`RecordHeader::class`] of a [`TaskRecord`]: the thread exited.
pub const TASK_EXITED: u8 = 4;
/// [`RecordHeader::class`] of a [`TaskRecord`]: the thread is in another cgroup now.
pub const TASK_MOVED: u8 = 5;

/// A thread's name at a time.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TaskRecord {
    pub header: RecordHeader,
    /// ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub pid: u32,
    pub tid: u32,
    pub parent_pid: u32,
    pub padding: u32,
    /// The cgroup of version 2 that the thread, or the parent of a forked one, is in.
    pub cgroup_id: u64,
    pub comm: [u8; COMM_LEN],
}

/// What a thread, a process or a run has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(serde::Serialize, serde::Deserialize))]
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
    /// Zeroed user pages allocated while no fault was open: faults without an exception.
    pub gup: u64,
    /// Sum of the known latencies, ns.
    pub latency_ns: u64,
    /// The kernel's own `min_flt`. Of a live thread: when it was first seen. Of a process: by how
    /// much it grew from then to the exit, summed over its exited threads.
    pub kernel_minor: u64,
    /// The kernel's own `maj_flt`, likewise.
    pub kernel_major: u64,
}

/// A value of the map `THREADS`: one live thread that faulted. Only that thread writes to it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ThreadStats {
    pub counts: Counts,
    pub pid: u32,
    /// 0 marks a free slot.
    pub tid: u32,
    pub comm: [u8; COMM_LEN],
    pub padding: [u64; 2],
}

/// A value of the map `PROCESSES`: what a process's exited threads had counted. Key: pid.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ProcessStats {
    pub counts: Counts,
    pub comm: [u8; COMM_LEN],
}

impl ProcessStats {
    /// A process of which nothing is counted yet.
    pub const EMPTY: &'static Self = &Self {
        counts: Counts {
            started: 0,
            minor: 0,
            major: 0,
            failed: 0,
            recorded: 0,
            dropped: 0,
            filtered: 0,
            gup: 0,
            latency_ns: 0,
            kernel_minor: 0,
            kernel_major: 0,
        },
        comm: [0; COMM_LEN],
    };
}

/// A value of the per-CPU map `CLASSES`; the index is the class's number.
#[derive(Clone, Copy)]
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
    pub padding: [u64; 3],
    /// Faults a latency bucket, see [`crate::histogram`].
    pub buckets: [u64; BUCKETS],
}

/// A value of the task storage `TASKS`: what is known of a thread that faulted.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct TaskState {
    pub open: OpenFaults,
    /// The kernel's own `min_flt` and `maj_flt`, up to which they are accounted for.
    pub kernel_minor: u64,
    pub kernel_major: u64,
    /// Index into `THREADS`; 0 is shared by threads that found no free slot.
    pub slot: u32,
    /// Whether the thread has exited; 0 or 1. It may still fault while it tears down.
    pub exited: u32,
    /// The ids of the stacks of the fault that is being closed; 0 if none was taken.
    pub user_stack: u64,
    pub kernel_stack: u64,
    /// Whether the fault that is being closed is thinned out: a `THINNING_…` constant.
    pub thinning: u32,
    /// Whether the thread's stack is being read: faults meanwhile are the tracer's. 0 or 1.
    pub reading_stack: u32,
    /// The cgroup the thread was last seen in.
    pub cgroup_id: u64,
    /// Whether the thread is in the map `AWAY`; 0 or 1.
    pub away: u32,
    pub padding: u32,
}

/// [`TaskState::thinning`]: not decided yet.
pub const THINNING_OPEN: u32 = 0;
/// [`TaskState::thinning`]: the fault is to be recorded.
pub const THINNING_KEPT: u32 = 1;
/// [`TaskState::thinning`]: the fault is not to be recorded.
pub const THINNING_OUT: u32 = 2;

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

/// What user space sets before the programs are loaded.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Config {
    pub regions: Regions,
    /// The hooks that will be attached, see [`crate::Hooks`].
    pub hooks: u32,
    /// A `TARGET_…` constant.
    pub target_kind: u32,
    /// Whether children of target processes become targets; 0 or 1.
    pub follow_children: u32,
    /// Whether faults are written to the ring buffer; 0 or 1.
    pub emit: u32,
    /// Selection: the classes that count, see [`Class::bit`].
    pub class_mask: u64,
    /// Selection: the addresses that count, first and last.
    pub address_first: u64,
    pub address_last: u64,
    /// Selection: 1 user mode, 2 kernel mode, 3 both.
    pub mode_mask: u32,
    /// One in so many faults is written to the ring buffer.
    pub sample: u32,
    /// Faults faster than this are not written to the ring buffer.
    pub min_latency_ns: u64,
    /// Offsets in `struct task_struct`, from BTF; 0 where unknown.
    pub task_pid_offset: u32,
    pub task_tgid_offset: u32,
    pub task_min_flt_offset: u32,
    pub task_maj_flt_offset: u32,
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

/// [`Config::class_mask`] with every class selected.
pub const ALL_CLASSES: u64 = (1 << Class::COUNT) - 1;

const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<RecordHeader>() == 8);
    assert!(size_of::<FaultRecord>() == 64);
    assert!(offset_of!(FaultRecord, error_code) == 48);
    assert!(size_of::<StackedFaultRecord>() == 80);
    assert!(offset_of!(StackRecord, frames) == STACK_HEADER_BYTES);
    assert!(size_of::<StackRecord>() == STACK_HEADER_BYTES + 8 * (STACK_FRAMES + 1));
    assert!(offset_of!(StackCopyRecord, bytes) == STACK_COPY_HEADER_BYTES);
    assert!(size_of::<StackCopyRecord>() == STACK_COPY_HEADER_BYTES + STACK_COPY_BYTES);
    assert!(size_of::<TaskRecord>() == 56);
    assert!(offset_of!(TaskRecord, comm) == 40);
    assert!(size_of::<Counts>() == 88);
    assert!(size_of::<ThreadStats>() == 128);
    assert!(size_of::<ProcessStats>() == 104);
    assert!(size_of::<ClassStats>() == 128 + 8 * BUCKETS);
    assert!(size_of::<PhasesRecord>() == 24 + size_of::<Spent>());
    assert!(size_of::<TaskState>() == 520 + 64);
    assert!(size_of::<Config>() == 72 + 16 + 24 + 16 + 16 + 8 + 32);
};

#[cfg(feature = "user")]
mod pod {
    //! User space reads these from bytes. Sound: `repr(C)`, no padding (asserted by the sizes
    //! above), every bit pattern valid.
    use super::{
        ClassStats, Config, Counts, FaultRecord, PhasesRecord, ProcessStats, RecordHeader,
        StackedFaultRecord, TaskRecord, ThreadStats,
    };
    use bytemuck::{Pod, Zeroable};

    macro_rules! pod {
        ($($name:ident)*) => {
            $(
                // SAFETY: see the module's comment.
                unsafe impl Zeroable for $name {}
                // SAFETY: see the module's comment.
                unsafe impl Pod for $name {}
            )*
        };
    }
    pod!(Config RecordHeader FaultRecord StackedFaultRecord PhasesRecord TaskRecord Counts ThreadStats ProcessStats ClassStats);
}
