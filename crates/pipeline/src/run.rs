//! The steps in their order.

use std::time::Duration;

use fault_trace_common::{Hooks, Region};

use super::{
    Coverage, Ending, GivenUp, Machine, Ports, Records, Sideband, Source,
    attribution::Attribution,
    decode::{Record, StackIds, decode},
    phases::Phases,
    refine::Refiner,
    spaces::{LiveSpaces, Lookup},
};
use fault_trace_model::{Batch, Event, Fault, Run};

/// Maximum records per batch. Sinks should buffer at least this many faults before writing.
pub const BATCH: usize = 4 << 10;

/// What a run wants of its faults.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The hooks that are attached.
    pub hooks: Hooks,
    /// The classes that count, see `Class::bit`.
    pub wanted: u64,
    /// Whether the functions of a location come with its faults, if they come in time; else they come
    /// at the end, from [`Pipeline::conclude`].
    pub names_live: bool,
}

/// The processes whose address spaces a source tells of.
#[derive(Debug)]
pub struct Followed {
    /// How each is told of.
    pub coverage: Coverage,
    /// Those that exist already: what they have mapped is known from a snapshot only.
    pub pids: Vec<u32>,
}

/// How long to go on with a full source.
#[derive(Clone, Copy)]
pub struct Pace<'a> {
    /// Asked after every batch: whether the rest is to wait for the next time.
    pub stops: &'a dyn Fn() -> bool,
    /// When copies of stacks are no longer unwound, by the machine's clock. Faults are taken in without
    /// them from then on, which is much faster, and counts each as one that lost its stack.
    pub copies_until: Option<Duration>,
}

impl Default for Pace<'_> {
    fn default() -> Self {
        Self {
            stops: &|| false,
            copies_until: None,
        }
    }
}

/// Takes faults from a source and hands them on with all that is known of them.
///
/// The order of calls is that of a run: any number of [`Pipeline::drain`], [`Pipeline::look`] and
/// [`Pipeline::change_sideband`]; when the source has ended, a last [`Pipeline::drain`]; then
/// [`Pipeline::conclude`] until it is done, and [`Pipeline::finish`].
pub struct Pipeline<R, S, M> {
    records: R,
    steps: Steps<S, M>,
}

impl<R: Records, S: Sideband, M: Machine> Pipeline<R, S, M> {
    /// Begins with snapshots of the followed processes. The source delivers their changes already, so
    /// that nothing is missed in between; no fault has been taken yet.
    pub fn open(
        source: Source<R, S>,
        mut machine: M,
        settings: Settings,
        followed: Followed,
    ) -> Self {
        let Source { records, sideband } = source;
        let refiner = Refiner::new(settings.hooks, settings.wanted, &mut machine);
        let mut ports = Ports { sideband, machine };
        let Followed { coverage, pids } = followed;
        Self {
            records,
            steps: Steps {
                spaces: LiveSpaces::open(&mut ports, coverage, &pids),
                phases: Phases::default(),
                refiner,
                attribution: Attribution::new(settings.names_live),
                leaving: Vec::new(),
                undecodable: 0,
                takes_copies: true,
                batch: Batch::default(),
                ports,
            },
        }
    }

    /// Takes all records that have come up to now, a batch at a time; `sink` takes events out of it, in
    /// the order of the records. What comes meanwhile waits for the next time.
    ///
    /// # Errors
    /// The sink's.
    pub fn drain<E>(
        &mut self,
        pace: &Pace<'_>,
        mut sink: impl FnMut(&mut Batch) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { records, steps } = self;
        // First: whatever led to a record up to here is in the sideband then.
        let until = records.mark();
        steps.next_records();
        loop {
            let machine = &mut steps.ports.machine;
            steps.takes_copies = pace.copies_until.is_none_or(|until| machine.now() < until);
            let count = records.records(until, BATCH, |record| steps.take(record));
            if !steps.batch.is_empty() {
                sink(&mut steps.batch)?;
            }
            if count < BATCH || (pace.stops)() {
                break;
            }
        }
        // Last: faults may wait for what others have found out.
        let machine = &mut steps.ports.machine;
        steps.attribution.take_found(machine, &mut steps.batch);
        if !steps.batch.is_empty() {
            sink(&mut steps.batch)?;
        }
        Ok(())
    }

    /// Takes snapshots of processes of which too little is known.
    pub fn look(&mut self) {
        self.steps.spaces.look(&mut self.steps.ports);
    }

    /// Lets the sideband be changed, and how processes are told of, when all that it has told up to now
    /// is taken in.
    ///
    /// # Errors
    /// That of the change.
    pub fn change_sideband<T>(&mut self, change: impl FnOnce(&mut S, &mut Coverage) -> T) -> T {
        let Steps { ports, spaces, .. } = &mut self.steps;
        spaces.read(ports);
        change(&mut ports.sideband, spaces.changes_mut().coverage_mut())
    }

    /// Goes on with what is left to do once everything is recorded: faults that wait, and the names of
    /// all locations. Called again and again until it is done; waits for nothing. With `until`
    /// somebody wants the end: what stalls is given up soon, and everything at that time of the
    /// machine's.
    pub fn conclude(&mut self, until: Option<Duration>) -> Ending {
        let Steps {
            attribution,
            ports,
            batch,
            ..
        } = &mut self.steps;
        attribution.conclude(until, &mut ports.machine, batch)
    }

    /// Gives up what is left to do.
    pub fn abandon(&mut self, why: GivenUp) {
        let Steps {
            attribution,
            ports,
            batch,
            ..
        } = &mut self.steps;
        attribution.abandon(why, &mut ports.machine, batch);
    }

    /// Puts the refined classes, and what was lost on the way, into the run.
    pub fn finish(mut self, run: &mut Run) {
        let steps = &mut self.steps;
        steps.refiner.finish(run);
        run.undecodable = steps.undecodable;
        steps.spaces.finish(run);
        steps.attribution.finish(&mut steps.ports.machine, run);
    }

    /// What the sink has not taken yet.
    pub const fn batch_mut(&mut self) -> &mut Batch {
        &mut self.steps.batch
    }

    /// The machine that is asked.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.steps.ports.machine
    }

    /// The number of fault records so far that could not be decoded.
    #[must_use]
    pub const fn undecodable(&self) -> u64 {
        self.steps.undecodable
    }
}

/// Everything a record goes through.
struct Steps<S, M> {
    ports: Ports<S, M>,
    spaces: LiveSpaces,
    phases: Phases,
    refiner: Refiner,
    attribution: Attribution,
    /// Processes that have exited, but may have faults in the ring buffer.
    leaving: Vec<u32>,
    undecodable: u64,
    /// Whether copies of stacks are unwound.
    takes_copies: bool,
    batch: Batch,
}

impl<S: Sideband, M: Machine> Steps<S, M> {
    /// Reads the sideband up to now, ahead of records that are all older.
    fn next_records(&mut self) {
        // What was read of them last time may have happened after the records of that time.
        let exited = self.spaces.changes_mut().take_exited();
        for pid in std::mem::replace(&mut self.leaving, exited) {
            self.attribution.exited(pid, &mut self.ports.machine);
        }
        self.spaces.read(&mut self.ports);
        self.refiner.next_batch();
        self.phases.next_batch();
    }

    /// Takes a record in, and what it tells into the batch.
    fn take(&mut self, record: &[u8]) {
        let Ok(record) = decode(record) else {
            self.undecodable += 1;
            return;
        };
        match record {
            Record::Fault(mut fault, stacks) => {
                self.phases.fill_in(&mut fault);
                self.fault(fault, stacks);
            }
            Record::Phases(phases) => self.phases.put(phases),
            Record::Stack(stack) => self.attribution.stack(stack),
            // The fault that it belongs to counts its stack as lost.
            Record::StackCopy(_) if !self.takes_copies => {}
            Record::StackCopy(copy) => self.attribution.stack_copy(copy),
            Record::Task(task) => {
                let machine = &mut self.ports.machine;
                self.attribution
                    .task(&task, machine, &mut self.batch.others);
                self.batch.others.push(Event::Task(task));
            }
        }
    }

    /// Refines a fault, fills in what it refers to, and adds it to the batch if it counts.
    fn fault(&mut self, mut fault: Fault, stacks: StackIds) {
        let Self {
            ports,
            spaces,
            refiner,
            attribution,
            batch,
            ..
        } = self;
        for pid in spaces.changes_mut().take_executed() {
            attribution.executed(pid, &mut ports.machine);
        }
        let lookup = if fault.evidence.in_region(Region::User) {
            spaces.locate(&fault, ports)
        } else {
            Lookup::Unasked
        };
        if !refiner.refine(&mut fault, &lookup, &mut ports.machine) {
            return;
        }
        if let Lookup::Found(kept) = lookup {
            let id =
                || attribution.mapping(fault.pid, &kept.mapping, kept.since_ns, &mut batch.others);
            fault.mapping_id = *kept.id.get_or_insert_with(id);
        }
        let spaces = spaces.spaces_mut();
        attribution.fault(fault, stacks, spaces, &mut ports.machine, batch);
    }
}

#[cfg(test)]
mod tests;
