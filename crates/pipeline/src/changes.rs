//! Changes of address spaces, as the sideband tells them, in order of time.

use std::time::Duration;

use super::{Coverage, Machine, Ports, Sideband, sideband::Decoder};
use fault_trace_model::{
    mapping::Devices,
    space_event::{Origin, SpaceChange, SpaceEvent},
    spaces::Spaces,
};

/// Reads the sideband. A fork and what the child did may be in the rings of different CPUs, so the
/// order of time is restored before it is decided what to keep.
pub(super) struct Changes {
    decoder: Decoder,
    /// The processes to keep.
    coverage: Coverage,
    /// Records of each origin that came after the moment up to which all are known.
    early: Vec<(Origin, SpaceEvent)>,
    undecodable: u64,
    /// Processes that executed another program, and that exited, and were not asked for yet.
    executed: Vec<u32>,
    exited: Vec<u32>,
}

impl Changes {
    pub(super) fn new(devices: Devices, coverage: Coverage) -> Self {
        Self {
            decoder: Decoder::new(devices),
            coverage,
            early: Vec::new(),
            undecodable: 0,
            executed: Vec::new(),
            exited: Vec::new(),
        }
    }

    /// Reads what happened up to now into the address spaces. What comes meanwhile waits: what led to
    /// it may be in a ring that was read before.
    pub(super) fn read<S: Sideband, M: Machine>(
        &mut self,
        ports: &mut Ports<S, M>,
        spaces: &mut Spaces,
    ) {
        let until_ns = ns(ports.machine.now());
        let mut events = std::mem::take(&mut self.early);
        for origin in [Origin::Tasks, Origin::Machine] {
            let sideband = &mut ports.sideband;
            sideband.read(origin, |record| match self.decoder.decode(record) {
                Ok(event) => events.push((origin, event)),
                Err(_) => self.undecodable += 1,
            });
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
            spaces.push(event);
        }
        if lost {
            let machine = &mut ports.machine;
            self.coverage.prune(|pid| machine.has_process(pid));
        }
    }

    /// The processes to keep.
    pub(super) const fn coverage_mut(&mut self) -> &mut Coverage {
        &mut self.coverage
    }

    /// Returns the processes that have executed another program since the last call.
    pub(super) fn take_executed(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.executed)
    }

    /// Returns the processes that have exited since the last call.
    pub(super) fn take_exited(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.exited)
    }

    /// The number of records that could not be decoded.
    pub(super) const fn undecodable(&self) -> u64 {
        self.undecodable
    }
}

/// A time as records have it.
pub(super) fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
