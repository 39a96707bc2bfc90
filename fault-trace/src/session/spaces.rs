//! Refining live: every fault is looked up in its address space as of its time.

use std::collections::{HashMap, HashSet};

use fault_trace_common::{Hooks, Region, Verdict};

use crate::{
    capture::sideband::{self, OpenError, Sideband},
    host::{devices, kernel, proc::Proc},
    model::{
        Event, Fault, Refinement, Run,
        mapping::{Devices, Names, parse_maps},
        refine::refine,
        space_event::SpaceChange,
        spaces::{HORIZON_NS, Spaces},
    },
    sideband::Decoder,
};

/// Snapshots a look: each costs up to a millisecond for a process with many mappings.
const SNAPSHOTS_A_LOOK: usize = 32;

/// A process that goes on moving its memory about is not read more often than this.
const SNAPSHOT_INTERVAL_NS: u64 = 10_000_000;
/// Bound: processes whose last snapshot is remembered.
const SNAPSHOTS_REMEMBERED: usize = 1 << 16;

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
    cpus: Vec<u32>,
    /// When the last snapshot of each process was taken, ns.
    snapshots: HashMap<u32, u64>,
    undecodable: u64,
}

impl Refiner {
    /// Opens the sideband. To be called before the first fault.
    pub(super) fn open(hooks: Hooks, cpus: &[u32]) -> Result<Self, OpenError> {
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
            cpus: cpus.to_vec(),
            snapshots: HashMap::new(),
            undecodable: 0,
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

    /// Takes a snapshot of a process, unless there was one since shortly before `time_ns`.
    fn snapshot_again(&mut self, pid: u32, time_ns: u64) -> bool {
        let last_ns = self.snapshots.get(&pid).copied().unwrap_or(0);
        time_ns > last_ns.saturating_add(SNAPSHOT_INTERVAL_NS) && self.snapshot(pid)
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
        self.snapshots.insert(pid, time_ns);
        true
    }

    /// Refines events just taken from the ring buffer: whatever led to them is in the sideband.
    pub(super) fn refine(&mut self, events: &mut [Event]) {
        self.read();
        for event in events {
            if let Event::Fault(fault) = event {
                self.refine_fault(fault);
            }
        }
    }

    fn refine_fault(&mut self, fault: &mut Fault) {
        let before = Verdict {
            class: fault.class,
            confidence: fault.confidence,
        };
        if fault.evidence.in_region(Region::User) {
            let (pid, address, time_ns) = (fault.pid, fault.address, fault.time_ns);
            let verdict = if let Some(found) = self.spaces.lookup(pid, address, time_ns) {
                refine(fault, self.hooks, Some(&found))
            } else if self.snapshot_again(pid, time_ns) {
                // mremap() leaves no record: only a snapshot knows where the memory is now.
                let found = self.spaces.lookup_again(pid, address, time_ns);
                refine(fault, self.hooks, found.as_ref())
            } else {
                before
            };
            fault.class = verdict.class;
            fault.confidence = verdict.confidence;
        }
        self.refinement.add(before, fault);
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
            if self.is_followed(&event.change) {
                self.spaces.push(event);
            }
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
        run.spaces = self.spaces.counts();
        run.undecodable += self.undecodable;
    }
}
