//! Attribution: which mapping, code, calls and cgroup a fault belongs to, as ids of rows that come
//! ahead of it.

mod calls;
mod files;
mod waiting;

pub(super) use files::Ending;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use self::{
    calls::Calls,
    files::{Left, Unidentified},
    waiting::Waiting,
};
use crate::{
    decode::{RawStack, StackCopy, StackIds},
    host::{cgroups::Hierarchy, proc::Proc, symbols::Symbols},
    model::{
        Batch, Event, Fault, Run, TaskEvent,
        attribution::CgroupRow,
        code::{CodePlace, CodeSpot, FIRST_KERNEL_ADDRESS},
        interner::Interner,
        mapping::Mapping,
        spaces::{Slots, Spaces},
    },
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
    symbols: Symbols,
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
    hierarchy: Option<Hierarchy>,
    proc: Proc,
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
    pub(super) fn new(symbols: Symbols, live: bool) -> Self {
        let proc = Proc::default();
        Self {
            interner: Interner::default(),
            symbols,
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
            hierarchy: Hierarchy::find(&proc).ok(),
            proc,
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
    pub(super) fn task(&mut self, task: &TaskEvent, rows: &mut Vec<Event>) {
        if let Some(id) = task.cgroup_id
            && self.cgroups.insert(id)
        {
            let hierarchy = self.hierarchy.as_ref();
            let path = hierarchy.and_then(|found| found.path_of(&self.proc, id, task.pid));
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
        batch: &mut Batch,
    ) {
        let rows = &mut batch.others;
        let moment = Moment {
            pid: fault.pid,
            time_ns: fault.time_ns,
        };
        if fault.ip != 0 {
            fault.location_id = self.recent_location(moment, fault.ip, spaces, rows);
        }
        let mut asked = None;
        if stacks != StackIds::default() {
            match self.calls(moment, stacks, spaces, rows) {
                Calls::Known(id) => fault.stack_id = id,
                Calls::Asked(stack) => asked = Some(stack),
            }
        }
        if self.live || asked.is_some() || !self.waiting.is_empty() {
            self.waiting.push(fault, asked);
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
    fn recent_location(
        &mut self,
        moment: Moment,
        address: u64,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        let Moment { pid, time_ns } = moment;
        spaces.advance(time_ns);
        let version = spaces.version();
        if let Some(id) = self.recent.get(version, pid, address, time_ns) {
            return *id;
        }
        let id = self.location(moment, address, spaces, rows);
        let from_ns = if address < FIRST_KERNEL_ADDRESS {
            spaces.steady(pid, address).map(|steady| steady.from_ns)
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

    fn location(
        &mut self,
        moment: Moment,
        address: u64,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        let Moment { pid, time_ns } = moment;
        let found = if address < FIRST_KERNEL_ADDRESS {
            spaces.peek(pid, address, time_ns)
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
        let spot = self.symbols.spot(pid, address, mapping);
        let id = self.locate(pid, address, spot, rows);
        let known = self.processes.entry(pid).or_default();
        known.locations.insert(address, (at, id));
        id
    }

    /// The process has a new program: its addresses mean something else.
    pub(super) fn executed(&mut self, pid: u32) {
        self.symbols.process_executed(pid);
        self.processes.remove(&pid);
    }

    /// The process is gone, and its faults have been taken in.
    pub(super) fn exited(&mut self, pid: u32) {
        self.symbols.process_exited(pid);
        self.processes.remove(&pid);
    }

    /// Puts what was lost on the way into the run.
    pub(super) fn finish(&self, run: &mut Run) {
        run.unnamed = self.interner.unnamed();
        self.finish_names(run);
    }
}

/// When and in which process something is looked up.
#[derive(Clone, Copy)]
struct Moment {
    pid: u32,
    time_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::symbols::Options;
    use crate::model::{
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
        let symbols = Symbols::unavailable(&Options::default());
        let mut attribution = Attribution::new(symbols, false);
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
            attribution.fault(fault, StackIds::default(), &mut spaces, &mut batch);
            let fault = batch.faults.pop().expect("waits for nothing");
            (mapping_id, fault.location_id)
        };
        assert_eq!(ids(data), (Some(1), Some(1)));
        assert_eq!(ids(code), (Some(2), Some(1)));
        assert_eq!(ids(data), (Some(1), Some(1)));
    }
}
