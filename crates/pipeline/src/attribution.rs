//! Attribution: which mapping, code, calls and cgroup a fault belongs to, as ids of rows that come
//! ahead of it.

mod calls;
mod found;
mod patience;
mod waiting;

pub use found::Ending;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use self::{
    calls::Calls,
    found::{Left, Unidentified},
    waiting::Waiting,
};
use super::{
    Machine, Moment,
    decode::{RawStack, StackCopy, StackIds},
};
use fault_trace_model::{
    Batch, Event, Fault, Run, TaskEvent,
    attribution::CgroupRow,
    code::{CodePlace, CodeSpot, FIRST_KERNEL_ADDRESS},
    interner::Interner,
    mapping::Mapping,
    spaces::{Slots, Spaces},
};

/// Bound: stacks, as addresses, that faults may still refer to.
const RAW_STACKS_MAX: usize = 1 << 17;
/// Bound: copies of stacks whose fault has not come yet: one a CPU, unless faults are lost.
const COPIES_MAX: usize = 1 << 12;
/// Bound: what is remembered of one process; beyond it that is found anew.
const KNOWN_MAX: usize = 1 << 16;
/// Bound: locations found lately.
const RECENT: usize = 1 << 12;

/// What the faults of a run belong to.
pub(super) struct Attribution {
    interner: Interner,
    processes: HashMap<u32, Known>,
    /// The ids of locations, by process and address.
    recent: Slots<Option<u32>>,
    /// Whether the functions of a location are wanted as soon as it is seen, or at the end.
    live: bool,
    /// Locations whose file is not identified yet, by its number.
    unidentified: HashMap<u32, Vec<Unidentified>>,
    /// Locations that are named at the end.
    places: Vec<(u32, CodePlace, CodeSpot)>,
    /// Locations whose names are awaited by faults.
    unnamed: HashSet<u32>,
    /// Locations whose names are missing for what their files did.
    lost_names: u64,
    /// Locations whose names nobody waited for.
    unasked_names: u64,
    waiting: Waiting,
    left: Left,
    /// The calls within the kernel of stacks that are being unwound.
    kernel_calls: HashMap<u64, Vec<u32>>,
    raw_stacks: HashMap<u64, Arc<[u64]>>,
    /// Copies whose fault comes right behind them.
    copies: HashMap<u64, StackCopy>,
    cgroups: HashSet<u64>,
}

/// What was found out for a process, so that it need not be again.
#[derive(Default)]
struct Known {
    /// By where the mapping is kept; holding it keeps that from being used again.
    mappings: HashMap<*const Mapping, (Arc<Mapping>, Option<u32>)>,
    /// Those of code, likewise held.
    code: HashMap<*const Mapping, Arc<Mapping>>,
    /// By address, as of the mapping that was there.
    locations: HashMap<u64, (Option<*const Mapping>, Option<u32>)>,
    stacks: HashMap<StackIds, Option<u32>>,
}

impl Attribution {
    /// With `live` the functions of a location come with its faults, if they come in time; else at the
    /// end, by [`Attribution::conclude`].
    pub(super) fn new(live: bool) -> Self {
        Self {
            interner: Interner::default(),
            processes: HashMap::new(),
            recent: Slots::new(RECENT, 0),
            live,
            unidentified: HashMap::new(),
            places: Vec::new(),
            unnamed: HashSet::new(),
            lost_names: 0,
            unasked_names: 0,
            waiting: Waiting::default(),
            left: Left::default(),
            kernel_calls: HashMap::new(),
            raw_stacks: HashMap::new(),
            copies: HashMap::new(),
            cgroups: HashSet::new(),
        }
    }

    /// Takes in a stack that faults will refer to.
    pub(super) fn stack(&mut self, stack: RawStack) {
        if self.raw_stacks.len() < RAW_STACKS_MAX {
            self.raw_stacks.insert(stack.id, stack.frames.into());
        }
    }

    /// Takes in the copy of a stack; its fault follows.
    pub(super) fn stack_copy(&mut self, copy: StackCopy) {
        if self.copies.len() >= COPIES_MAX {
            // Their faults were lost.
            self.copies.clear();
        }
        self.copies.insert(copy.id, copy);
    }

    /// Looks the cgroup of a task up, the first time it is seen.
    pub(super) fn task(
        &mut self,
        task: &TaskEvent,
        machine: &mut impl Machine,
        rows: &mut Vec<Event>,
    ) {
        if let Some(id) = task.cgroup_id
            && self.cgroups.insert(id)
        {
            let path = machine.cgroup_path(id, task.pid);
            rows.push(Event::Cgroup(CgroupRow {
                id,
                path: path.unwrap_or_default(),
            }));
        }
    }

    /// Fills in the code and the calls that a fault refers to, and adds it to the batch, now or when
    /// they are known.
    pub(super) fn fault(
        &mut self,
        mut fault: Fault,
        stacks: StackIds,
        spaces: &mut Spaces,
        machine: &mut impl Machine,
        batch: &mut Batch,
    ) {
        let moment = Moment {
            pid: fault.pid,
            time_ns: fault.time_ns,
        };
        let mut context = Context {
            moment,
            spaces,
            machine,
            rows: &mut batch.others,
        };
        if fault.ip != 0 {
            fault.location_id = self.recent_location(fault.ip, &mut context);
        }
        let mut asked = None;
        if stacks != StackIds::default() {
            match self.calls(stacks, &mut context) {
                Calls::Known(id) => fault.stack_id = id,
                Calls::Asked(stack) => asked = Some(stack),
            }
        }
        if self.live || asked.is_some() || !self.waiting.is_empty() {
            self.waiting.push(fault, asked, machine.now());
        } else {
            batch.faults.push(fault);
        }
    }

    /// The id of a mapping of a process, known since `since_ns`.
    pub(super) fn mapping(
        &mut self,
        pid: u32,
        mapping: &Arc<Mapping>,
        since_ns: u64,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        let known = &mut self.processes.entry(pid).or_default().mappings;
        if let Some((_, id)) = known.get(&Arc::as_ptr(mapping)) {
            return *id;
        }
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        let id = self.interner.mapping(pid, since_ns, mapping, rows);
        known.insert(Arc::as_ptr(mapping), (Arc::clone(mapping), id));
        id
    }

    /// As [`Attribution::location`], at once where nothing has changed since the last time.
    fn recent_location<M: Machine>(
        &mut self,
        address: u64,
        context: &mut Context<'_, M>,
    ) -> Option<u32> {
        let Moment { pid, time_ns } = context.moment;
        context.spaces.advance(time_ns);
        let version = context.spaces.version();
        if let Some(id) = self.recent.get(version, pid, address, time_ns) {
            return *id;
        }
        let id = self.location(address, context);
        let from_ns = if address < FIRST_KERNEL_ADDRESS {
            let steady = context.spaces.steady(pid, address);
            steady.map(|steady| steady.from_ns)
        } else {
            Some(0)
        };
        if let Some(from_ns) = from_ns.filter(|&from_ns| from_ns <= time_ns) {
            let only = (address, address.saturating_add(1));
            let at = (pid, address);
            self.recent.put(version, at, (only, from_ns), id);
        }
        id
    }

    /// The id of the place in code at an address.
    fn location<M: Machine>(&mut self, address: u64, context: &mut Context<'_, M>) -> Option<u32> {
        let Context {
            moment: Moment { pid, time_ns },
            spaces,
            machine,
            rows,
        } = context;
        let pid = *pid;
        let found = if address < FIRST_KERNEL_ADDRESS {
            spaces.peek(pid, address, *time_ns)
        } else {
            None
        };
        let mapping = found.map(|found| found.mapping);
        let at = mapping.map(Arc::as_ptr);
        let known = &mut self.processes.entry(pid).or_default();
        if let Some((known_at, id)) = known.locations.get(&address)
            && *known_at == at
        {
            return *id;
        }
        if known.locations.len().max(known.code.len()) >= KNOWN_MAX {
            known.locations.clear();
            known.code.clear();
        }
        if let Some(mapping) = mapping {
            let held = known.code.entry(Arc::as_ptr(mapping));
            held.or_insert_with(|| Arc::clone(mapping));
        }
        let mapping = mapping.map(|mapping| &**mapping);
        let spot = machine.spot(pid, address, mapping);
        let id = self.locate(pid, address, spot, *machine, rows);
        let known = self.processes.entry(pid).or_default();
        known.locations.insert(address, (at, id));
        id
    }

    /// The process has a new program: its addresses mean something else.
    pub(super) fn executed(&mut self, pid: u32, machine: &mut impl Machine) {
        machine.process_executed(pid);
        self.processes.remove(&pid);
    }

    /// The process is gone, and its faults have been taken in.
    pub(super) fn exited(&mut self, pid: u32, machine: &mut impl Machine) {
        machine.process_exited(pid);
        self.processes.remove(&pid);
    }

    /// Puts what was lost on the way into the run.
    pub(super) fn finish(&self, machine: &mut impl Machine, run: &mut Run) {
        run.unnamed = self.interner.unnamed();
        self.finish_names(machine, run);
    }
}

/// When and in which process something is looked up, and where.
struct Context<'a, M> {
    moment: Moment,
    spaces: &'a mut Spaces,
    machine: &'a mut M,
    /// New rows, ahead of what refers to them.
    rows: &'a mut Vec<Event>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeMachine;
    use fault_trace_model::{
        mapping::{Kind, Protection},
        spaces::HORIZON_NS,
    };

    #[test]
    fn a_mapping_seen_as_code_first_is_named_when_it_is_faulted_on() {
        const PID: u32 = u32::MAX;
        let mapping = |start, execute: bool| Mapping {
            start,
            end: start + 0x1000,
            offset_bytes: 0,
            protection: Protection {
                read: true,
                write: !execute,
                execute,
            },
            shared: false,
            kind: Kind::Anonymous,
        };
        let (code, data) = (0x1000, 0x8000);
        let mut spaces = Spaces::new(HORIZON_NS);
        spaces.snapshot(PID, 1, vec![mapping(code, true), mapping(data, false)]);
        let mut machine = FakeMachine::default();
        let mut attribution = Attribution::new(false);
        let mut batch = Batch::default();
        let mut ids = |address| {
            let fault = Fault {
                time_ns: 2,
                pid: PID,
                address,
                ip: code,
                ..Fault::BLANK
            };
            let found = spaces.lookup(PID, address, 2).expect("is mapped");
            let (mapping, since_ns) = (Arc::clone(found.mapping), found.since_ns);
            let mapping_id = attribution.mapping(PID, &mapping, since_ns, &mut batch.others);
            let none = StackIds::default();
            attribution.fault(fault, none, &mut spaces, &mut machine, &mut batch);
            let fault = batch.faults.pop().expect("waits for nothing");
            (mapping_id, fault.location_id)
        };
        assert_eq!(ids(data), (Some(1), Some(1)));
        assert_eq!(ids(code), (Some(2), Some(1)));
        assert_eq!(ids(data), (Some(1), Some(1)));
    }
}
