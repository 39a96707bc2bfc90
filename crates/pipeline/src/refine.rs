//! Refining: every fault gets the class that its mapping tells, and the run the totals of those.

use fault_trace_common::{Class, Hooks, Verdict};
use foldhash::{HashMap, HashMapExt as _};

use super::{Machine, numa_hints::NumaHints, spaces::Lookup};
use fault_trace_model::{
    Counts, Fault, Passed, Refinement, Run,
    refine::{Conditions, refine},
};

/// Refines classes, and knows what that changed in the totals.
pub(super) struct Refiner {
    refinement: Refinement,
    hooks: Hooks,
    /// The classes that count, see `Class::bit`; only the refined class tells.
    wanted: u64,
    /// Recorded faults of other classes, by process and thread.
    unwanted: HashMap<(u32, u32), Passed>,
    numa_hints: NumaHints,
    huge_zero_page: bool,
}

impl Refiner {
    pub(super) fn new(hooks: Hooks, wanted: u64, machine: &mut impl Machine) -> Self {
        Self {
            refinement: Refinement::default(),
            hooks,
            wanted,
            unwanted: HashMap::new(),
            numa_hints: NumaHints::new(machine),
            huge_zero_page: machine.huge_zero_page(),
        }
    }

    /// The faults that follow may be later than those before.
    pub(super) const fn next_batch(&mut self) {
        self.numa_hints.next_batch();
    }

    /// Refines the class of a fault. Returns whether it counts.
    pub(super) fn refine(
        &mut self,
        fault: &mut Fault,
        lookup: &Lookup<'_>,
        machine: &mut impl Machine,
    ) -> bool {
        let before = Verdict {
            class: fault.class,
            confidence: fault.confidence,
        };
        let found = match lookup {
            Lookup::Unasked => None,
            Lookup::Unknown => Some(None),
            Lookup::Found(kept) => Some(Some(kept.found())),
        };
        if let Some(found) = found {
            let verdict = refine(fault, self.conditions(before, machine), found.as_ref());
            fault.class = verdict.class;
            fault.confidence = verdict.confidence;
        }
        self.refinement.add(before, fault);
        let counts = self.wanted & fault.class.bit() != 0;
        if !counts {
            let ids = (fault.pid, fault.tid);
            self.unwanted.entry(ids).or_default().add(fault);
        }
        counts
    }

    fn conditions(&mut self, told: Verdict, machine: &mut impl Machine) -> Conditions {
        Conditions {
            hooks: self.hooks,
            huge_zero_page: self.huge_zero_page,
            // Only this class depends on it: for others the counter need not be read.
            numa_hints: told.class == Class::AnonZero && self.numa_hints.moved(machine),
        }
    }

    /// Puts the refined classes into the totals of the run.
    pub(super) fn finish(&self, run: &mut Run) {
        self.refinement.apply(&mut run.totals);
        let totals = &mut run.totals;
        totals
            .classes
            .retain(|class| self.wanted & class.class.bit() != 0);
        for (&(pid, tid), unwanted) in &self.unwanted {
            if let Some(process) = totals.processes.iter_mut().find(|row| row.pid == pid) {
                leave_out(&mut process.counts, unwanted);
                leave_out(&mut totals.counts, unwanted);
            }
            let thread = totals.threads.iter_mut().find(|row| row.tid == tid);
            if let Some(passed) = thread.and_then(|thread| thread.passed.as_mut()) {
                passed.take_away(unwanted);
            }
        }
    }
}

/// Moves faults that were recorded to those that the filters leave out.
const fn leave_out(counts: &mut Counts, unwanted: &Passed) {
    counts.recorded = counts.recorded.saturating_sub(unwanted.faults);
    counts.filtered += unwanted.faults;
    counts.left_out += unwanted.faults;
    counts.left_out_major += unwanted.major;
    counts.left_out_failed += unwanted.failed;
    counts.left_out_ns += unwanted.latency_ns;
    counts.off_cpu_ns = counts.off_cpu_ns.saturating_sub(unwanted.off_cpu_ns);
}
