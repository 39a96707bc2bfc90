//! Snapshots of what processes have mapped, where the sideband does not tell enough.

use std::{collections::HashMap, time::Duration};

use super::{
    Machine, Ports, Sideband,
    changes::{Changes, ns},
};
use fault_trace_model::{
    mapping::{Devices, Names, parse_maps},
    spaces::Spaces,
};

/// Snapshots a look: each costs up to a millisecond for a process with many mappings.
const SNAPSHOTS_A_LOOK: usize = 32;

/// After a snapshot, its process is left alone for this many times what it cost: the one with the most
/// mappings takes the reader, and itself, a few percent of their time.
const REST: u32 = 20;
/// Bound: processes whose last snapshot is remembered.
const REMEMBERED: usize = 1 << 16;

/// Takes snapshots, not too many.
pub(super) struct Snapshots {
    devices: Devices,
    names: Names,
    /// The last snapshot of each process.
    last: HashMap<u32, Last>,
}

struct Last {
    time: Duration,
    cost: Duration,
}

impl Snapshots {
    pub(super) fn new(devices: Devices) -> Self {
        Self {
            devices,
            names: Names::default(),
            last: HashMap::new(),
        }
    }

    /// Takes snapshots of processes of which too little is known.
    pub(super) fn look<S: Sideband, M: Machine>(
        &mut self,
        ports: &mut Ports<S, M>,
        changes: &mut Changes,
        spaces: &mut Spaces,
    ) {
        let wanting = spaces.take_wanting();
        for pid in wanting.into_iter().take(SNAPSHOTS_A_LOOK) {
            self.take(pid, ports, changes, spaces);
        }
    }

    /// Takes a snapshot of a process, unless there was one since `time_ns` or it would cost too much.
    /// Returns whether it did.
    pub(super) fn take_again<S: Sideband, M: Machine>(
        &mut self,
        (pid, time_ns): (u32, u64),
        ports: &mut Ports<S, M>,
        changes: &mut Changes,
        spaces: &mut Spaces,
    ) -> bool {
        if let Some(last) = self.last.get(&pid) {
            let rested = last.time.saturating_add(last.cost.saturating_mul(REST));
            if time_ns <= ns(last.time) || ports.machine.now() < rested {
                return false;
            }
        }
        self.take(pid, ports, changes, spaces)
    }

    /// Takes a snapshot of a process. Returns whether it did.
    pub(super) fn take<S: Sideband, M: Machine>(
        &mut self,
        pid: u32,
        ports: &mut Ports<S, M>,
        changes: &mut Changes,
        spaces: &mut Spaces,
    ) -> bool {
        let Some(maps) = ports.machine.maps(pid) else {
            return false;
        };
        // The sideband up to here must be known first: the snapshot replaces it.
        let time = ports.machine.now();
        changes.read(ports, spaces);
        let Ok(mappings) = parse_maps(maps, &self.devices, &mut self.names) else {
            return false;
        };
        spaces.snapshot(pid, ns(time), mappings);
        if self.last.len() >= REMEMBERED {
            self.last.clear();
        }
        let cost = ports.machine.now().saturating_sub(time);
        self.last.insert(pid, Last { time, cost });
        true
    }
}
