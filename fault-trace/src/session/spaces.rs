//! The address spaces of the traced processes as they are now and were a moment ago: the sideband, and
//! snapshots where it does not tell enough.

use std::collections::{HashMap, HashSet};

use fault_trace_common::Class;

use crate::{
    capture::sideband::{self, OpenError, Sideband},
    host::{devices, kernel, proc::Proc},
    model::{
        Fault, Run,
        address_space::Certainty,
        mapping::{Devices, Names, parse_maps},
        space_event::SpaceChange,
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
    /// The processes to keep; `None`: all.
    followed: Option<HashSet<u32>>,
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
    /// Opens the sideband. To be called before the first fault.
    pub(super) fn open(cpus: &[u32]) -> Result<Self, OpenError> {
        let proc = Proc::default();
        let devices = devices::devices(&proc);
        Ok(Self {
            sideband: Sideband::open(sideband::RING_BYTES)?,
            decoder: Decoder::new(devices.clone()),
            devices,
            names: Names::default(),
            spaces: Spaces::new(HORIZON_NS),
            recent: Recent::default(),
            followed: None,
            proc,
            cpus: cpus.to_vec(),
            snapshots: HashMap::new(),
            undecodable: 0,
            executed: Vec::new(),
            exited: Vec::new(),
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
    /// the order of time is restored before it is decided what to keep.
    pub(super) fn read(&mut self) {
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
                } => self.executed.push(pid),
                SpaceChange::Exited { pid, tid } if pid == tid => self.exited.push(pid),
                _ => {}
            }
            self.spaces.push(event);
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

    /// Puts what was lost on the way into the run.
    pub(super) fn finish(&self, run: &mut Run) {
        run.spaces = self.spaces.counts();
        run.undecodable += self.undecodable;
    }
}
