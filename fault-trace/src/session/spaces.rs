//! Refining live: every fault is looked up in its address space as of its time.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::Arc,
};

use fault_trace_common::{Class, Hooks, Region, Verdict};

use super::attribution::Attribution;
use crate::{
    capture::sideband::{self, OpenError, Sideband},
    decode::{RawPhases, Record, StackIds},
    host::{devices, huge, kernel, numa::NumaHints, proc::Proc},
    model::{
        Event, Fault, Refinement, Run,
        address_space::{Certainty, Found},
        mapping::{Devices, Mapping, Names, parse_maps},
        refine::{Conditions, refine},
        space_event::SpaceChange,
        spaces::{HORIZON_NS, Spaces},
    },
    sideband::Decoder,
};

/// Snapshots a look: each costs up to a millisecond for a process with many mappings.
const SNAPSHOTS_A_LOOK: usize = 32;

/// After a snapshot, its process is left alone for so many times what it cost: the one with the most
/// mappings takes the reader, and itself, a few percent of their time.
const SNAPSHOT_REST: u64 = 20;
/// Bound: processes whose last snapshot is remembered.
const SNAPSHOTS_REMEMBERED: usize = 1 << 16;

/// What is known of where a fault's address lies.
enum Lookup {
    /// Asking would not help.
    Unasked,
    /// Nothing is mapped there as far as is known.
    Unknown,
    Found(Kept),
}

/// A [`Found`] that outlives the look-up.
struct Kept {
    mapping: Arc<Mapping>,
    since_ns: u64,
    certainty: Certainty,
    grew: bool,
}

impl Kept {
    fn of(found: Found<'_>) -> Self {
        Self {
            mapping: Arc::clone(found.mapping),
            since_ns: found.since_ns,
            certainty: found.certainty,
            grew: found.grew,
        }
    }

    const fn found(&self) -> Found<'_> {
        Found {
            mapping: &self.mapping,
            since_ns: self.since_ns,
            certainty: self.certainty,
            grew: self.grew,
        }
    }
}

/// The address spaces of the traced processes, and what they changed in the classes.
pub(super) struct Refiner {
    sideband: Sideband,
    decoder: Decoder,
    devices: Devices,
    names: Names,
    spaces: Spaces,
    /// The processes to keep; `None`: all.
    followed: Option<HashSet<u32>>,
    refinement: Refinement,
    proc: Proc,
    hooks: Hooks,
    /// The classes that count, see `Class::bit`; only the refined class tells.
    wanted: u64,
    /// Recorded faults of other classes, by process.
    unwanted: HashMap<u32, u64>,
    cpus: Vec<u32>,
    numa_hints: NumaHints,
    huge_zero_page: bool,
    /// The last snapshot of each process.
    snapshots: HashMap<u32, LastSnapshot>,
    undecodable: u64,
    attribution: Attribution,
    /// Processes that exited since the last batch: their last faults may be in the next.
    exited: Vec<u32>,
    /// Phases whose fault comes next, by thread: as many as there are CPUs, unless faults are lost.
    phases: HashMap<u32, RawPhases>,
}

/// Bound: phases that wait for their fault.
const PHASES_MAX: usize = 1 << 12;

struct LastSnapshot {
    time_ns: u64,
    cost_ns: u64,
}

impl Refiner {
    /// Opens the sideband. To be called before the first fault. `live_symbols` as for
    /// [`Attribution::new`].
    pub(super) fn open(
        hooks: Hooks,
        wanted: u64,
        cpus: &[u32],
        live_symbols: bool,
    ) -> Result<Self, OpenError> {
        let proc = Proc::default();
        let devices = devices::devices(&proc);
        Ok(Self {
            sideband: Sideband::open(sideband::RING_BYTES)?,
            decoder: Decoder::new(devices.clone()),
            devices,
            names: Names::default(),
            spaces: Spaces::new(HORIZON_NS),
            followed: None,
            refinement: Refinement::default(),
            proc,
            hooks,
            wanted,
            unwanted: HashMap::new(),
            cpus: cpus.to_vec(),
            numa_hints: NumaHints::new(Proc::default()),
            huge_zero_page: huge::zero_page_in_use(Path::new("/sys")),
            snapshots: HashMap::new(),
            undecodable: 0,
            attribution: Attribution::new(live_symbols),
            exited: Vec::new(),
            phases: HashMap::new(),
        })
    }

    /// Keeps these processes, and those they fork, from what they have mapped now. `None`: all.
    pub(super) fn follow(&mut self, pids: Option<Vec<u32>>) {
        let now = match &pids {
            Some(pids) => pids.clone(),
            None => self.proc.processes().unwrap_or_default(),
        };
        self.followed = pids.map(HashSet::from_iter);
        for pid in now {
            self.snapshot(pid);
        }
    }

    /// Opens the sideband on CPUs that came online.
    pub(super) fn follow_cpus(&mut self, online: &[u32]) -> Result<(), OpenError> {
        for &cpu in online {
            if !self.cpus.contains(&cpu) {
                self.sideband.add_cpu(cpu)?;
                self.cpus.push(cpu);
            }
        }
        Ok(())
    }

    /// Takes snapshots of processes of which too little is known.
    pub(super) fn look(&mut self) {
        for pid in self
            .spaces
            .take_wanting()
            .into_iter()
            .take(SNAPSHOTS_A_LOOK)
        {
            self.snapshot(pid);
        }
    }

    /// Takes a snapshot of a process, unless there was one since `time_ns` or it would cost too much.
    fn snapshot_again(&mut self, pid: u32, time_ns: u64) -> bool {
        if let Some(last) = self.snapshots.get(&pid) {
            let rested_ns = last.cost_ns.saturating_mul(SNAPSHOT_REST);
            let is_rested = kernel::monotonic_ns() >= last.time_ns.saturating_add(rested_ns);
            if time_ns <= last.time_ns || !is_rested {
                return false;
            }
        }
        self.snapshot(pid)
    }

    fn snapshot(&mut self, pid: u32) -> bool {
        let Ok(maps) = self.proc.open_maps(pid) else {
            return false;
        };
        // The sideband up to here must be known first: the snapshot replaces it.
        let time_ns = kernel::monotonic_ns();
        self.read();
        let Ok(mappings) = parse_maps(maps, &self.devices, &mut self.names) else {
            return false;
        };
        self.spaces.snapshot(pid, time_ns, mappings);
        if self.snapshots.len() >= SNAPSHOTS_REMEMBERED {
            self.snapshots.clear();
        }
        let cost_ns = kernel::monotonic_ns().saturating_sub(time_ns);
        self.snapshots
            .insert(pid, LastSnapshot { time_ns, cost_ns });
        true
    }

    /// Turns records just taken from the ring buffer into events, refined and attributed: whatever
    /// led to them is in the sideband.
    pub(super) fn refine(&mut self, records: Vec<Record>) -> Vec<Event> {
        let exited = std::mem::take(&mut self.exited);
        self.read();
        self.numa_hints.next_batch();
        if self.phases.len() > PHASES_MAX {
            self.phases.clear();
        }
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            match record {
                Record::Phases(phases) => _ = self.phases.insert(phases.tid, phases),
                Record::Fault(mut fault, stacks) => {
                    if let Some(phases) = self.phases.remove(&fault.tid)
                        && phases.time_ns == fault.time_ns
                    {
                        fault.phases_ns = phases.spent_ns;
                    }
                    if self.fault(&mut fault, stacks, &mut events) {
                        events.push(Event::Fault(fault));
                    }
                }
                Record::Stack(stack) => self.attribution.stack(stack),
                Record::StackCopy(copy) => self.attribution.stack_copy(copy),
                Record::Task(task) => {
                    self.attribution.task(&task, &mut events);
                    events.push(Event::Task(task));
                }
            }
        }
        for pid in exited {
            self.attribution.exited(pid);
        }
        events
    }

    /// The functions of all locations, once everything is recorded.
    pub(super) fn symbols(&self) -> Vec<Event> {
        self.attribution.symbols()
    }

    /// Refines a fault and fills in what it refers to; false if it does not count.
    fn fault(&mut self, fault: &mut Fault, stacks: StackIds, events: &mut Vec<Event>) -> bool {
        let before = Verdict {
            class: fault.class,
            confidence: fault.confidence,
        };
        let mut lookup = Lookup::Unasked;
        if fault.evidence.in_region(Region::User) {
            lookup = self.locate(fault);
            let verdict = self.verdict(fault, before, &lookup);
            fault.class = verdict.class;
            fault.confidence = verdict.confidence;
        }
        self.refinement.add(before, fault);
        if self.wanted & fault.class.bit() == 0 {
            *self.unwanted.entry(fault.pid).or_default() += 1;
            return false;
        }
        let mapping = match lookup {
            Lookup::Found(kept) => Some((kept.mapping, kept.since_ns)),
            Lookup::Unasked | Lookup::Unknown => None,
        };
        self.attribution
            .fault(fault, stacks, mapping, &mut self.spaces, events);
        true
    }

    fn verdict(&mut self, fault: &Fault, told: Verdict, lookup: &Lookup) -> Verdict {
        let conditions = self.conditions(told);
        match lookup {
            Lookup::Unasked => told,
            Lookup::Unknown => refine(fault, conditions, None),
            Lookup::Found(kept) => refine(fault, conditions, Some(&kept.found())),
        }
    }

    /// Looks up what was mapped at a user address.
    fn locate(&mut self, fault: &Fault) -> Lookup {
        let (pid, address, time_ns) = (fault.pid, fault.address, fault.time_ns);
        if fault.class == Class::SegvUnmapped {
            let known = self.spaces.peek(pid, address, time_ns);
            match known.map(|found| found.certainty) {
                None => return Lookup::Unasked,
                // Only a look at what is mapped now tells a guard from memory that is gone.
                Some(Certainty::Reported) => _ = self.snapshot_again(pid, time_ns),
                Some(Certainty::Confirmed | Certainty::Uncertain) => {}
            }
        }
        let end_ns = time_ns.saturating_add(fault.latency_ns.unwrap_or(0));
        let found = self.spaces.lookup_fault(pid, address, time_ns, end_ns);
        if let Some(found) = found {
            return Lookup::Found(Kept::of(found));
        }
        if !self.snapshot_again(pid, time_ns) {
            return Lookup::Unasked;
        }
        // mremap() leaves no record: only a snapshot knows where the memory is now.
        let found = self.spaces.lookup_again(pid, address, time_ns);
        found.map_or(Lookup::Unknown, |found| Lookup::Found(Kept::of(found)))
    }

    fn conditions(&mut self, told: Verdict) -> Conditions {
        Conditions {
            hooks: self.hooks,
            huge_zero_page: self.huge_zero_page,
            // Nobody else asks, so that the counter need not be read.
            numa_hints: told.class == Class::AnonZero && self.numa_hints.moved(),
        }
    }

    /// Reads the sideband. A fork and what the child did may be in the rings of different CPUs, so
    /// the order of time is restored before it is decided what to keep.
    fn read(&mut self) {
        let mut events = Vec::new();
        let counts = self
            .sideband
            .read(&mut self.decoder, |_| true, |event| events.push(event));
        self.undecodable += counts.undecodable;
        events.sort_by_key(|event| event.time_ns);
        for event in events {
            if !self.is_followed(&event.change) {
                continue;
            }
            match event.change {
                SpaceChange::Named {
                    pid, exec: true, ..
                } => self.attribution.executed(pid),
                SpaceChange::Exited { pid, tid } if pid == tid => self.exited.push(pid),
                _ => {}
            }
            self.spaces.push(event);
        }
    }

    fn is_followed(&mut self, change: &SpaceChange) -> bool {
        let Some(followed) = &mut self.followed else {
            return true;
        };
        if let SpaceChange::Forked {
            pid, parent_pid, ..
        } = change
            && followed.contains(parent_pid)
        {
            followed.insert(*pid);
        }
        change.pid().is_none_or(|pid| followed.contains(&pid))
    }

    /// Puts the refined classes, and what was lost on the way, into the run.
    pub(super) fn finish(&self, run: &mut Run) {
        self.refinement.apply(&mut run.totals);
        let totals = &mut run.totals;
        totals
            .classes
            .retain(|class| self.wanted & class.class.bit() != 0);
        for process in &mut totals.processes {
            let count = self.unwanted.get(&process.pid).copied().unwrap_or(0);
            for counts in [&mut process.counts, &mut totals.counts] {
                counts.recorded = counts.recorded.saturating_sub(count);
                counts.filtered += count;
            }
        }
        run.spaces = self.spaces.counts();
        self.attribution.finish(run);
        run.undecodable += self.undecodable;
    }
}
