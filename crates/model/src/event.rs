//! What a source of faults yields, one at a time.

use fault_trace_common::{
    Class, Confidence, ErrorCode, Evidence,
    error_code::Access,
    phase::{MEASURED, Phase, Spent},
};

use super::attribution::{CgroupRow, LocationRow, MappingRow, StackRow, SymbolRow};

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
    /// Time spent off the CPU's own work, by number of the [`Phase`], ns: at most the latency.
    pub phases_ns: Spent,
    /// Base pages that fault-around may have mapped; 0 if it did not run or the kernel does not say.
    pub around_pages: u32,
    /// The mapping the address lies in, see [`MappingRow`].
    pub mapping_id: Option<u32>,
    /// Where the faulting instruction is, see [`LocationRow`].
    pub location_id: Option<u32>,
    /// The calls that led there, see [`StackRow`].
    pub stack_id: Option<u32>,
}

impl Fault {
    /// A fault of which nothing is known.
    pub const BLANK: Self = Self {
        time_ns: 0,
        latency_ns: None,
        address: 0,
        ip: 0,
        evidence: Evidence::NONE,
        error_code: ErrorCode(0),
        pid: 0,
        tid: 0,
        cpu: 0,
        pages: 0,
        class: Class::Unknown,
        confidence: Confidence::Inferred,
        phases_ns: [0; MEASURED],
        around_pages: 0,
        mapping_id: None,
        location_id: None,
        stack_id: None,
    };

    /// The time spent in a phase, ns; 0 where the latency is unknown.
    #[must_use]
    #[inline]
    pub fn phase_ns(&self, phase: Phase) -> u64 {
        let Some(latency_ns) = self.latency_ns else {
            return 0;
        };
        match self.phases_ns.get(phase as usize) {
            Some(&spent_ns) => spent_ns,
            None => latency_ns.saturating_sub(self.phases_ns.iter().sum()),
        }
    }

    /// Read, write or instruction fetch.
    #[must_use]
    #[inline]
    pub const fn access(&self) -> Access {
        self.error_code.access()
    }

    /// Whether the kernel counted it as major.
    #[must_use]
    #[inline]
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
    /// It was seen in another cgroup.
    Moved,
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
    /// The cgroup it is in, see [`CgroupRow`]; `None` where that was not asked.
    pub cgroup_id: Option<u64>,
}

/// Anything a source yields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    Fault(Fault),
    Task(TaskEvent),
    Mapping(MappingRow),
    Location(LocationRow),
    Symbol(SymbolRow),
    Stack(StackRow),
    Cgroup(CgroupRow),
}

/// Events that were found together: the faults, and what they refer to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    /// Anything but faults. To be taken in ahead of them.
    pub others: Vec<Event>,
    pub faults: Vec<Fault>,
}

impl Batch {
    /// Whether there is nothing in it.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.others.is_empty() && self.faults.is_empty()
    }

    /// Forgets the events and keeps the room they took.
    pub fn clear(&mut self) {
        self.others.clear();
        self.faults.clear();
    }
}

impl FromIterator<Event> for Batch {
    fn from_iter<E: IntoIterator<Item = Event>>(events: E) -> Self {
        let mut batch = Self::default();
        batch.extend(events);
        batch
    }
}

impl Extend<Event> for Batch {
    fn extend<E: IntoIterator<Item = Event>>(&mut self, events: E) {
        for event in events {
            match event {
                Event::Fault(fault) => self.faults.push(fault),
                other => self.others.push(other),
            }
        }
    }
}
