//! The address spaces of the traced processes as they are now and were a moment ago: the sideband, and
//! snapshots where it does not tell enough.

use fault_trace_common::{Class, Family};

use super::{Coverage, Machine, Ports, Sideband, changes::Changes, snapshots::Snapshots};
use fault_trace_model::{
    Fault, Run,
    address_space::Certainty,
    spaces::{HORIZON_NS, Kept, Place, Recent, Spaces},
};

/// The mapping of a fault's address, as far as it is known.
pub(super) enum Lookup<'a> {
    /// Asking would not help.
    Unasked,
    /// Nothing is mapped there as far as is known.
    Unknown,
    Found(&'a mut Kept),
}

/// The address spaces, fed as they change.
pub(super) struct LiveSpaces {
    changes: Changes,
    snapshots: Snapshots,
    spaces: Spaces,
    recent: Recent,
}

impl LiveSpaces {
    /// Takes a snapshot of each of these processes, whose changes the source delivers already.
    pub(super) fn open<S: Sideband, M: Machine>(
        ports: &mut Ports<S, M>,
        coverage: Coverage,
        pids: &[u32],
    ) -> Self {
        let devices = ports.machine.devices();
        let mut spaces = Self {
            changes: Changes::new(devices.clone(), coverage),
            snapshots: Snapshots::new(devices),
            spaces: Spaces::new(HORIZON_NS),
            recent: Recent::default(),
        };
        for &pid in pids {
            spaces.snapshot(pid, ports);
        }
        spaces
    }

    fn snapshot<S: Sideband, M: Machine>(&mut self, pid: u32, ports: &mut Ports<S, M>) {
        self.snapshots
            .take(pid, ports, &mut self.changes, &mut self.spaces);
    }

    /// Takes snapshots of processes of which too little is known.
    pub(super) fn look<S: Sideband, M: Machine>(&mut self, ports: &mut Ports<S, M>) {
        self.snapshots
            .look(ports, &mut self.changes, &mut self.spaces);
    }

    /// Reads what happened up to now.
    pub(super) fn read<S: Sideband, M: Machine>(&mut self, ports: &mut Ports<S, M>) {
        self.changes.read(ports, &mut self.spaces);
    }

    /// What the sideband tells beside mappings.
    pub(super) const fn changes_mut(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// What was mapped when.
    pub(super) const fn spaces_mut(&mut self) -> &mut Spaces {
        &mut self.spaces
    }

    /// Looks up what was mapped at a user address.
    pub(super) fn locate<S: Sideband, M: Machine>(
        &mut self,
        fault: &Fault,
        ports: &mut Ports<S, M>,
    ) -> Lookup<'_> {
        let Self {
            changes,
            snapshots,
            spaces,
            recent,
        } = self;
        let (pid, address, time_ns) = (fault.pid, fault.address, fault.time_ns);
        if fault.class == Class::SegvUnmapped {
            let known = spaces.peek(pid, address, time_ns);
            match known.map(|found| found.certainty) {
                None => return Lookup::Unasked,
                // Only a look at what is mapped now tells a guard from memory that is gone.
                Some(Certainty::Reported) => {
                    _ = snapshots.take_again((pid, time_ns), ports, changes, spaces);
                }
                Some(Certainty::Confirmed | Certainty::Uncertain) => {}
            }
        }
        if fault.class.family() == Family::Kernel {
            // No mapping refines its class, and there need be none.
            match spaces.peek(pid, address, time_ns) {
                None => return Lookup::Unasked,
                Some(found) if found.certainty == Certainty::Uncertain => {
                    let place = recent.keep(found);
                    return Lookup::at(place, recent);
                }
                Some(_) => {}
            }
        }
        let end_ns = time_ns.saturating_add(fault.latency_ns.unwrap_or(0));
        if let Some(place) = recent.lookup_fault(spaces, (pid, address), time_ns, end_ns) {
            return Lookup::at(place, recent);
        }
        if !snapshots.take_again((pid, time_ns), ports, changes, spaces) {
            return Lookup::Unasked;
        }
        // mremap() leaves no record: only a snapshot knows where the memory is now.
        match spaces.lookup_again(pid, address, time_ns) {
            None => Lookup::Unknown,
            Some(found) => {
                let place = recent.keep(found);
                Lookup::at(place, recent)
            }
        }
    }

    /// Puts what was lost on the way into the run.
    pub(super) fn finish(&self, run: &mut Run) {
        run.spaces = self.spaces.counts();
        run.undecodable += self.changes.undecodable();
    }
}

impl<'a> Lookup<'a> {
    fn at(place: Place, recent: &'a mut Recent) -> Self {
        recent.at(place).map_or(Self::Unknown, Self::Found)
    }
}
