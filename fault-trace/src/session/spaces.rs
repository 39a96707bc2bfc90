//! The address spaces of the traced processes as they are now and were a moment ago: the sideband, and
//! snapshots where it does not tell enough.

use std::collections::{BTreeSet, HashMap};

use fault_trace_common::{Class, Family};
use nix::sys::resource::{Resource, getrlimit};

use crate::{
    capture::sideband::{self, OpenError, Sideband},
    host::{devices, kernel, proc::Proc},
    model::{
        Fault, Run,
        address_space::Certainty,
        coverage::Coverage,
        mapping::{Devices, Names, parse_maps},
        space_event::{Origin, SpaceChange, SpaceEvent},
        spaces::{HORIZON_NS, Kept, Place, Recent, Spaces},
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

/// Bound: perf events of traced tasks, one per task and CPU, each a file descriptor. Of more tasks the
/// machine's sideband tells, which other processes can fill.
const TASK_EVENTS_MAX: usize = 1 << 12;
/// The rings of the machine's sideband beside the tasks' own, bytes: setuid programs alone need them.
const RING_BYTES_BESIDE: usize = 128 << 10;
/// The bounds of a task ring, bytes.
const TASK_RING_BYTES: (usize, usize) = (64 << 10, 16 << 20);

/// Whose address spaces are kept, and how much room their changes get.
pub(super) struct Following<'a> {
    /// The traced processes as of the call; `None`: all of the machine.
    pub(super) pids: &'a dyn Fn() -> Option<Vec<u32>>,
    /// Whether what they fork is traced.
    pub(super) children: bool,
    /// The size of the ring buffer of the run, bytes.
    pub(super) buffer_bytes: u32,
}

/// What is known of where a fault's address lies.
pub(super) enum Lookup {
    /// Asking would not help.
    Unasked,
    /// Nothing is mapped there as far as is known.
    Unknown,
    /// See [`LiveSpaces::kept`].
    Found(Place),
}

/// The address spaces, fed as they change.
pub(super) struct LiveSpaces {
    sideband: Sideband,
    decoder: Decoder,
    devices: Devices,
    names: Names,
    spaces: Spaces,
    recent: Recent,
    /// The processes to keep.
    coverage: Coverage,
    /// Records of each origin that came after the moment up to which all are known.
    early: Vec<(Origin, SpaceEvent)>,
    task_ring_bytes: usize,
    /// Why the records of the targets alone are not read, for people.
    notes: Vec<String>,
    proc: Proc,
    cpus: Vec<u32>,
    /// The last snapshot of each process.
    snapshots: HashMap<u32, LastSnapshot>,
    undecodable: u64,
    /// Processes that executed another program, and that exited, and were not asked for yet.
    executed: Vec<u32>,
    exited: Vec<u32>,
}

struct LastSnapshot {
    time_ns: u64,
    cost_ns: u64,
}

impl LiveSpaces {
    /// Opens the sideband of the processes to follow, and of what they fork, from what they have mapped
    /// now. To be called before the first fault.
    pub(super) fn open(cpus: &[u32], following: &Following<'_>) -> Result<Self, OpenError> {
        let proc = Proc::default();
        let devices = devices::devices(&proc);
        let targets = (following.pids)();
        let ring_bytes = match &targets {
            Some(pids) if fits(&proc, pids, cpus) => RING_BYTES_BESIDE,
            _ => sideband::RING_BYTES,
        };
        let mut spaces = Self {
            sideband: Sideband::open(ring_bytes)?,
            decoder: Decoder::new(devices.clone()),
            devices,
            names: Names::default(),
            spaces: Spaces::new(HORIZON_NS),
            recent: Recent::default(),
            coverage: match &targets {
                Some(pids) => Coverage::of(pids.iter().copied(), following.children),
                None => Coverage::everyone(),
            },
            early: Vec::new(),
            task_ring_bytes: task_ring_bytes(following.buffer_bytes),
            notes: Vec::new(),
            proc,
            cpus: cpus.to_vec(),
            snapshots: HashMap::new(),
            undecodable: 0,
            executed: Vec::new(),
            exited: Vec::new(),
        };
        let followed = match targets {
            Some(_) => spaces.cover(following)?,
            None => spaces.proc.processes().unwrap_or_default(),
        };
        for pid in followed {
            spaces.snapshot(pid);
        }
        Ok(spaces)
    }

    /// Opens the events of every task of the traced processes, until there are no new ones: what an
    /// opened task forks is opened by the kernel.
    fn cover(&mut self, following: &Following<'_>) -> Result<Vec<u32>, OpenError> {
        let mut covered = BTreeSet::new();
        loop {
            let pids = (following.pids)().unwrap_or_default();
            let new: Vec<u32> = pids
                .into_iter()
                .filter(|pid| !covered.contains(pid))
                .collect();
            if new.is_empty() {
                break;
            }
            for pid in new {
                covered.insert(pid);
                let cpus = self.cpus.clone();
                match self.add_process(pid, &cpus) {
                    Ok(()) => self.coverage.cover(pid),
                    Err(why) => {
                        // First, for want of descriptors may be why.
                        self.sideband.forget_tasks();
                        self.sideband = Sideband::open(sideband::RING_BYTES)?;
                        let pids = (following.pids)().unwrap_or_default();
                        self.coverage = Coverage::of(pids.iter().copied(), following.children);
                        self.notes.push(format!(
                            "mapping changes are read of the whole machine, and other processes can \
                             crowd out those of the traced ones: {why}"
                        ));
                        return Ok(pids);
                    }
                }
            }
        }
        Ok(covered.into_iter().collect())
    }

    /// Opens the events of all tasks of a process on these CPUs.
    fn add_process(&mut self, pid: u32, cpus: &[u32]) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        loop {
            let tids = self.proc.threads(pid).unwrap_or_default();
            let new: Vec<u32> = tids.into_iter().filter(|tid| seen.insert(*tid)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for tid in new {
                let most = task_events_max();
                if self.sideband.task_events() + cpus.len() > most {
                    return Err(format!(
                        "the targets have more threads than {most} perf events cover"
                    ));
                }
                let ring_bytes = self.task_ring_bytes;
                let added = self.sideband.add_task(tid, cpus, ring_bytes);
                added.map_err(|error| error.to_string())?;
            }
        }
    }

    /// Opens the sideband on CPUs that came online, and gives up that of those that went.
    pub(super) fn follow_cpus(&mut self, online: &[u32]) -> Result<(), OpenError> {
        if self.cpus == online {
            return Ok(());
        }
        // What the kernel wrote on those that went.
        self.read();
        self.sideband.forget_offline(online);
        let new: Vec<u32> = online
            .iter()
            .copied()
            .filter(|cpu| !self.cpus.contains(cpu))
            .collect();
        for &cpu in &new {
            self.sideband.add_cpu(cpu)?;
        }
        let covered: Vec<u32> = self.coverage.covered().collect();
        for pid in covered {
            if let Err(why) = self.add_process(pid, &new) {
                self.coverage.uncover_all();
                self.notes.push(format!(
                    "since CPU {new:?} came online, mapping changes are read of the whole machine: {why}"
                ));
                break;
            }
        }
        self.cpus = online.to_vec();
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

    /// Looks up what was mapped at a user address.
    pub(super) fn locate(&mut self, fault: &Fault) -> Lookup {
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
        if fault.class.family() == Family::Kernel {
            // No mapping refines its class, and there need be none.
            match self.spaces.peek(pid, address, time_ns) {
                None => return Lookup::Unasked,
                Some(found) if found.certainty == Certainty::Uncertain => {
                    return Lookup::Found(self.recent.keep(found));
                }
                Some(_) => {}
            }
        }
        let end_ns = time_ns.saturating_add(fault.latency_ns.unwrap_or(0));
        let at = (pid, address);
        let found = self
            .recent
            .lookup_fault(&mut self.spaces, at, time_ns, end_ns);
        if let Some(place) = found {
            return Lookup::Found(place);
        }
        if !self.snapshot_again(pid, time_ns) {
            return Lookup::Unasked;
        }
        // mremap() leaves no record: only a snapshot knows where the memory is now.
        let found = self.spaces.lookup_again(pid, address, time_ns);
        found.map_or(Lookup::Unknown, |found| {
            Lookup::Found(self.recent.keep(found))
        })
    }

    /// What the last look-up found.
    pub(super) fn kept(&mut self, lookup: &Lookup) -> Option<&mut Kept> {
        match lookup {
            Lookup::Unasked | Lookup::Unknown => None,
            Lookup::Found(place) => self.recent.at(*place),
        }
    }

    /// Reads the sideband. A fork and what the child did may be in the rings of different CPUs, so
    /// the order of time is restored before it is decided what to keep. What comes meanwhile waits:
    /// what led to it may be in a ring that was read before.
    pub(super) fn read(&mut self) {
        let until_ns = kernel::monotonic_ns();
        let mut events = std::mem::take(&mut self.early);
        for origin in [Origin::Tasks, Origin::Machine] {
            let sink = |event| events.push((origin, event));
            let decoder = &mut self.decoder;
            let counts = self.sideband.read(origin, decoder, |_| true, sink);
            self.undecodable += counts.undecodable;
        }
        events.sort_by_key(|(_, event)| event.time_ns);
        let known = events.partition_point(|(_, event)| event.time_ns <= until_ns);
        self.early = events.split_off(known);
        let mut lost = false;
        for (origin, event) in events {
            if !self.coverage.takes(origin, &event.change) {
                continue;
            }
            match event.change {
                SpaceChange::Named {
                    pid, exec: true, ..
                } => self.executed.push(pid),
                SpaceChange::Exited { pid, tid } if pid == tid => self.exited.push(pid),
                SpaceChange::Lost { .. } => lost |= origin == Origin::Machine,
                _ => {}
            }
            self.spaces.push(event);
        }
        if lost {
            let proc = &self.proc;
            self.coverage.prune(|pid| proc.has_process(pid));
        }
    }

    /// The processes that have executed another program since the last call.
    pub(super) fn take_executed(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.executed)
    }

    /// The processes that have exited since the last call.
    pub(super) fn take_exited(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.exited)
    }

    /// What was mapped when.
    pub(super) const fn spaces_mut(&mut self) -> &mut Spaces {
        &mut self.spaces
    }

    /// Puts what was lost on the way into the run.
    pub(super) fn finish(&self, run: &mut Run) {
        run.spaces = self.spaces.counts();
        run.undecodable += self.undecodable;
        run.notes.extend(self.notes.iter().cloned());
    }
}

/// Whether the tasks of these processes are few enough for events of their own.
fn fits(proc: &Proc, pids: &[u32], cpus: &[u32]) -> bool {
    let tasks = pids
        .iter()
        .map(|&pid| proc.threads(pid).map_or(0, |tids| tids.len()));
    tasks.sum::<usize>().saturating_mul(cpus.len()) <= task_events_max()
}

/// At most half of the files that may be open: the run needs others.
fn task_events_max() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft / 2);
    usize::try_from(limit).map_or(TASK_EVENTS_MAX, |limit| limit.min(TASK_EVENTS_MAX))
}

/// The room for mapping changes grows with that for faults: 512 KiB at the default of 16 MiB.
fn task_ring_bytes(buffer_bytes: u32) -> usize {
    let (least, most) = TASK_RING_BYTES;
    (buffer_bytes as usize / 32).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_mapping_changes_grows_with_the_buffer_within_bounds() {
        assert_eq!(task_ring_bytes(16 << 20), sideband::RING_BYTES);
        assert_eq!(task_ring_bytes(64 << 20), 2 << 20);
        assert_eq!(task_ring_bytes(4096), 64 << 10);
        assert_eq!(task_ring_bytes(1 << 30), 16 << 20);
    }
}
