//! Ring-buffer records.

use crate::phase::Spent;

/// The length of a thread's name with its terminating NUL (`TASK_COMM_LEN`).
pub const COMM_LEN: usize = 16;

/// Returns the part of a name that the kernel keeps: up to its NUL, at most 15 bytes.
#[must_use]
pub fn comm_bytes(name: &[u8]) -> &[u8] {
    let cut = name.get(..COMM_LEN - 1).unwrap_or(name);
    cut.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Returns a name as the kernel keeps it: cut as by [`comm_bytes`], and filled up with NULs.
#[must_use]
pub fn comm(name: &[u8]) -> [u8; COMM_LEN] {
    let mut comm = [0; COMM_LEN];
    for (byte, &given) in comm.iter_mut().zip(comm_bytes(name)) {
        *byte = given;
    }
    comm
}

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

/// In [`RecordHeader::kind`] of a [`FaultRecord`] or [`StackedFaultRecord`]: it is a [`Wide`] one.
pub const WIDE: u16 = 1 << 15;

/// The first bytes of every ring-buffer record.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
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
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
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
    /// See [`crate::Evidence::word`].
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
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct StackedFaultRecord {
    pub fault: FaultRecord,
    /// The id of the user stack, 0 if none was taken.
    pub user_stack: u64,
    /// The id of the kernel stack of a fault in kernel mode, 0 if none was taken.
    pub kernel_stack: u64,
}

/// A fault whose evidence has flags in its second word, which nearly none has.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Wide<R> {
    pub record: R,
    /// See [`crate::Evidence::more`].
    pub evidence_more: u64,
}

/// The phases of a fault that was not on the CPU all the time: right before the fault's record, which
/// it shares the thread and the time with.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
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
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_at_most_fifteen_bytes_and_ends_at_its_nul() {
        for (name, kept) in [
            (&b""[..], &b""[..]),
            (b"sh", b"sh"),
            (b"ls\0garbage", b"ls"),
            (b"abcdefghijklmno", b"abcdefghijklmno"),
            (b"abcdefghijklmnop", b"abcdefghijklmno"),
            (b"abcdefghijklmnopqrstuvw", b"abcdefghijklmno"),
        ] {
            assert_eq!(comm_bytes(name), kept);
            let whole = comm(name);
            assert_eq!(whole[..kept.len()], *kept);
            assert!(whole[kept.len()..].iter().all(|&byte| byte == 0));
            assert_eq!(comm_bytes(&whole), kept, "cutting twice changes nothing");
        }
    }
}
