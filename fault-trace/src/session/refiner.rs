//! Refining live: every fault gets the class that its mapping tells, and what it refers to.

use std::{os::fd::BorrowedFd, path::Path, time::Instant};

use fault_trace_common::{Class, Hooks, Region, Verdict};
use foldhash::{HashMap, HashMapExt as _};

use super::{
    attribution::{Attribution, Ending},
    spaces::{Following, LiveSpaces, Lookup},
};
use crate::{
    capture::sideband::OpenError,
    decode::{RawPhases, Record, StackIds},
    host::{
        huge,
        numa::NumaHints,
        proc::Proc,
        symbols::{Loss, Symbols},
    },
    model::{
        Batch, Counts, Event, Fault, Passed, Refinement, Run,
        refine::{Conditions, refine},
    },
};

/// Bound: phases that wait for their fault.
const PHASES_MAX: usize = 1 << 12;

/// What the address spaces changed in the classes, and what faults belong to.
pub(super) struct Refiner {
    spaces: LiveSpaces,
    attribution: Attribution,
    refinement: Refinement,
    hooks: Hooks,
    /// The classes that count, see `Class::bit`; only the refined class tells.
    wanted: u64,
    /// Recorded faults of other classes, by process and thread.
    unwanted: HashMap<(u32, u32), Passed>,
    numa_hints: NumaHints,
    huge_zero_page: bool,
    /// Phases whose fault comes next, by thread: as many as there are CPUs, unless faults are lost.
    phases: HashMap<u32, RawPhases>,
    /// Processes that have exited, but may have faults in the ring buffer.
    leaving: Vec<u32>,
}

impl Refiner {
    /// To be called before the first fault. `live_symbols` as for [`Attribution::new`].
    pub(super) fn open(
        hooks: Hooks,
        wanted: u64,
        cpus: &[u32],
        (symbols, live_symbols): (Symbols, bool),
        following: &Following<'_>,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            spaces: LiveSpaces::open(cpus, following)?,
            attribution: Attribution::new(symbols, live_symbols),
            refinement: Refinement::default(),
            hooks,
            wanted,
            unwanted: HashMap::new(),
            numa_hints: NumaHints::new(Proc::default()),
            huge_zero_page: huge::zero_page_in_use(Path::new("/sys")),
            phases: HashMap::new(),
            leaving: Vec::new(),
        })
    }

    /// The address spaces, to be kept up to date.
    pub(super) const fn spaces_mut(&mut self) -> &mut LiveSpaces {
        &mut self.spaces
    }

    /// To be called ahead of records, when they are in the ring buffer already: whatever led to them
    /// is in the sideband then.
    pub(super) fn next_records(&mut self) {
        // What was read of them last time may have happened after the records of that time.
        let gone = std::mem::replace(&mut self.leaving, self.spaces.take_exited());
        for pid in gone {
            self.attribution.exited(pid);
        }
        self.spaces.read();
        self.numa_hints.next_batch();
        if self.phases.len() > PHASES_MAX {
            self.phases.clear();
        }
    }

    /// Refines and attributes what a record tells, and adds it to the batch.
    pub(super) fn refine(&mut self, record: Record, batch: &mut Batch) {
        match record {
            Record::Phases(phases) => _ = self.phases.insert(phases.tid, phases),
            Record::Fault(mut fault, stacks) => {
                if !self.phases.is_empty()
                    && let Some(phases) = self.phases.remove(&fault.tid)
                    && phases.time_ns == fault.time_ns
                {
                    fault.phases_ns = phases.spent_ns;
                }
                self.fault(fault, stacks, batch);
            }
            Record::Stack(stack) => self.attribution.stack(stack),
            Record::StackCopy(copy) => self.attribution.stack_copy(copy),
            Record::Task(task) => {
                self.attribution.task(&task, &mut batch.others);
                batch.others.push(Event::Task(task));
            }
        }
    }

    /// Takes in what others have found out about places in code. To be called behind records, too:
    /// faults wait for it.
    pub(super) fn take_found(&mut self, batch: &mut Batch) {
        self.attribution.take_found(batch);
    }

    /// Goes on with what is left to do once everything is recorded; see [`Attribution::conclude`].
    pub(super) fn conclude(&mut self, until: Option<Instant>, batch: &mut Batch) -> Ending {
        self.attribution.conclude(until, batch)
    }

    /// Gives up what is left to do, for this reason.
    pub(super) fn abandon(&mut self, why: Loss, batch: &mut Batch) {
        self.attribution.abandon(why, batch);
    }

    /// The descriptor that is readable when there is something to take in.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.attribution.fd()
    }

    /// Refines a fault, fills in what it refers to, and adds it to the batch if it counts.
    fn fault(&mut self, mut fault: Fault, stacks: StackIds, batch: &mut Batch) {
        let before = Verdict {
            class: fault.class,
            confidence: fault.confidence,
        };
        for pid in self.spaces.take_executed() {
            self.attribution.executed(pid);
        }
        let mut lookup = Lookup::Unasked;
        if fault.evidence.in_region(Region::User) {
            lookup = self.spaces.locate(&fault);
            let verdict = self.verdict(&fault, before, &lookup);
            fault.class = verdict.class;
            fault.confidence = verdict.confidence;
        }
        self.refinement.add(before, &fault);
        if self.wanted & fault.class.bit() == 0 {
            let ids = (fault.pid, fault.tid);
            self.unwanted.entry(ids).or_default().add(&fault);
            return;
        }
        if let Some(kept) = self.spaces.kept(&lookup) {
            let attribution = &mut self.attribution;
            let id =
                || attribution.mapping(fault.pid, &kept.mapping, kept.since_ns, &mut batch.others);
            fault.mapping_id = *kept.id.get_or_insert_with(id);
        }
        let spaces = self.spaces.spaces_mut();
        self.attribution.fault(fault, stacks, spaces, batch);
    }

    fn verdict(&mut self, fault: &Fault, told: Verdict, lookup: &Lookup) -> Verdict {
        let conditions = match lookup {
            Lookup::Unasked => return told,
            Lookup::Unknown | Lookup::Found(_) => self.conditions(told),
        };
        let kept = self.spaces.kept(lookup);
        let found = kept.as_ref().map(|kept| kept.found());
        refine(fault, conditions, found.as_ref())
    }

    fn conditions(&mut self, told: Verdict) -> Conditions {
        Conditions {
            hooks: self.hooks,
            huge_zero_page: self.huge_zero_page,
            // Nobody else asks, so that the counter need not be read.
            numa_hints: told.class == Class::AnonZero && self.numa_hints.moved(),
        }
    }

    /// Puts the refined classes, and what was lost on the way, into the run.
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
        self.spaces.finish(run);
        self.attribution.finish(run);
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
