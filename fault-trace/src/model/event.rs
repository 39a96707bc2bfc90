//! What a source of faults yields, one at a time.

use fault_trace_common::{Class, Confidence, ErrorCode, Evidence, error_code::Access};

/// One closed fault. Also the row of a recording's table of faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// START, ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// START to END or a timely closer, ns; `None` if the end was not seen in time.
    pub latency_ns: Option<u64>,
    pub address: u64,
    /// The faulting instruction; 0 if unknown.
    pub ip: u64,
    pub evidence: Evidence,
    pub error_code: ErrorCode,
    /// The process (thread group).
    pub pid: u32,
    pub tid: u32,
    /// The CPU that closed the fault.
    pub cpu: u16,
    /// Base pages allocated.
    pub pages: u32,
    pub class: Class,
    pub confidence: Confidence,
}

impl Fault {
    /// Read, write or instruction fetch.
    #[must_use]
    pub const fn access(&self) -> Access {
        self.error_code.access()
    }

    /// Whether the kernel counted it as major.
    #[must_use]
    pub const fn is_major(&self) -> bool {
        self.evidence.any(Evidence::MAJOR)
    }

    /// `user` or `kernel`: where the access was made.
    #[must_use]
    pub const fn mode(&self) -> &'static str {
        if self.evidence.any(Evidence::KERNEL_MODE) {
            "kernel"
        } else {
            "user"
        }
    }
}

/// What happened to a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TaskChange {
    /// Its first fault.
    Seen,
    /// It got another name.
    Renamed,
    /// It was forked by this process.
    Forked { parent_pid: u32 },
    /// It exited.
    Exited,
}

/// A task's name at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskEvent {
    /// ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub pid: u32,
    pub tid: u32,
    /// The kernel's `comm`: raw bytes, without the NUL. Never printed without `render::sanitize`.
    pub comm: Vec<u8>,
    pub change: TaskChange,
}

/// Anything a source yields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Fault(Fault),
    Task(TaskEvent),
}
