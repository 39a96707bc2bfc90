//! Why the kernel's own counters may differ from what was seen.

use fault_trace_common::{Counter, Hook};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::run::{KernelSource, Run};

/// Why the kernel's own counters may differ from what was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// An anomaly that was counted: at most `faults` of the difference.
    Counted { counter: Counter, faults: u64 },
    /// No `mm_page_alloc`: faults without an exception could not be counted.
    NoAllocationHook,
    /// A get_user_pages fault on a page that was there already allocates nothing.
    GupWithoutAllocation,
    /// More pages were taken for get_user_pages faults than there were.
    GupIsInferred,
    /// The filters do not count every fault.
    Filters,
    /// A CPU's perf events, which tell the end of a fault, are opened within 100 ms of its coming online.
    CpusJoined,
    /// Counters and hooks were not read and attached at one instant.
    NotOneInstant,
    /// /proc/vmstat also counts faults that fail (`mm_account_fault` in mm/memory.c).
    VmstatCountsFailures,
    /// wait4 leaves out descendants that nobody waited for.
    NotWaitedFor,
    /// Nothing known explains the difference.
    Bug,
}

impl Cause {
    /// The cause in words.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Counted { counter, .. } => counter.meaning(),
            Self::NoAllocationHook => {
                "faults without an exception (get_user_pages), not countable: mm_page_alloc was not attached"
            }
            Self::GupWithoutAllocation => {
                "get_user_pages (exec, mlock, MAP_POPULATE, O_DIRECT, ptrace) on pages that were in memory already"
            }
            Self::GupIsInferred => {
                "zeroed pages allocated outside a fault and taken for get_user_pages faults"
            }
            Self::CpusJoined => {
                "faults on a CPU that had just come online: their end is not seen until its perf events are open"
            }
            Self::Filters => "faults that the filters leave out",
            Self::NotOneInstant => {
                "faults just before or after tracing: hooks and the kernel's counters are not read at one instant"
            }
            Self::VmstatCountsFailures => {
                "faults that failed (SIGBUS, out of memory), which /proc/vmstat also counts"
            }
            Self::NotWaitedFor => "descendants that no process waited for, which wait4 leaves out",
            Self::Bug => "none is known: this is a bug in fault-trace, please report it",
        }
    }

    /// How much of the difference it can explain, where that was counted.
    #[must_use]
    pub const fn faults(self) -> Option<u64> {
        match self {
            Self::Counted { faults, .. } => Some(faults),
            _ => None,
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Cause", 2)?;
        object.serialize_field("cause", self.meaning())?;
        object.serialize_field("faults", &self.faults())?;
        object.end()
    }
}

/// What may explain a difference of `unexplained` faults; empty if it is 0.
pub(super) fn causes(run: &Run, unexplained: i64) -> Vec<Cause> {
    let mut causes = match unexplained.signum() {
        1 => causes_of_more(run),
        -1 => causes_of_fewer(run),
        _ => return Vec::new(),
    };
    if causes.is_empty() {
        causes.push(Cause::Bug);
    }
    causes
}

/// Why the kernel may have counted more than was seen.
fn causes_of_more(run: &Run) -> Vec<Cause> {
    const MISSED: [Counter; 3] = [
        Counter::EndUnmatched,
        Counter::TaskStateFailed,
        Counter::TargetsFull,
    ];
    let source = run.kernel.map(|kernel| kernel.source);
    let mut causes: Vec<Cause> = MISSED
        .into_iter()
        .map(|counter| Cause::Counted {
            counter,
            faults: run.totals.counters.get(counter),
        })
        .filter(|cause| cause.faults() != Some(0))
        .collect();
    let is_proc = source == Some(KernelSource::Proc);
    if !run.knows_gup {
        causes.extend(causes_in_older_runs(run));
    }
    if source == Some(KernelSource::Vmstat) || (is_proc && !run.knows_gup) {
        causes.push(Cause::NotOneInstant);
    }
    if source == Some(KernelSource::Vmstat) {
        causes.push(Cause::VmstatCountsFailures);
    }
    causes
}

/// The same in recordings of versions that did not read the kernel's counters of each thread at its faults.
fn causes_in_older_runs(run: &Run) -> Vec<Cause> {
    let mut causes = Vec::new();
    if run.cpus_joined > 0 {
        causes.push(Cause::CpusJoined);
    }
    if !run.options.filters.is_empty() {
        causes.push(Cause::Filters);
    }
    causes.push(if run.hooks.has(Hook::PageAlloc) {
        Cause::GupWithoutAllocation
    } else {
        Cause::NoAllocationHook
    });
    causes
}

/// Why the kernel may have counted fewer than were seen.
fn causes_of_fewer(run: &Run) -> Vec<Cause> {
    let mut causes = Vec::new();
    if run.totals.counts.gup > 0 && !run.knows_gup {
        causes.push(Cause::GupIsInferred);
    }
    match run.kernel.map(|kernel| kernel.source) {
        Some(KernelSource::Rusage) if run.totals.processes.len() > 1 => {
            causes.push(Cause::NotWaitedFor);
        }
        Some(KernelSource::Vmstat) => causes.push(Cause::NotOneInstant),
        Some(KernelSource::Proc) if !run.knows_gup => causes.push(Cause::NotOneInstant),
        Some(KernelSource::Rusage | KernelSource::Proc) | None => {}
    }
    causes
}
