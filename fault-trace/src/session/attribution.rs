//! Attribution: which mapping, code, calls and cgroup a fault belongs to, as ids of rows that come
//! ahead of it.

mod calls;

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use crate::{
    decode::{RawStack, StackCopy, StackIds},
    host::{
        cgroups::Hierarchy,
        proc::Proc,
        symbols::{Modules, Options, Resolver, unwind::Unwinder},
    },
    model::{
        Event, Fault, Run, TaskEvent,
        attribution::{CgroupRow, SymbolRow},
        code::{CodePlace, FIRST_KERNEL_ADDRESS},
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
    modules: Modules,
    processes: HashMap<u32, Known>,
    /// The ids of locations, by process and address.
    recent: Slots<Option<u32>>,
    /// The locations, and whether they are named at once or at the end.
    places: Vec<(u32, CodePlace)>,
    live_resolver: Option<Resolver>,
    raw_stacks: HashMap<u64, Arc<[u64]>>,
    /// Copies whose fault comes right behind them.
    copies: HashMap<u64, StackCopy>,
    unwinder: Unwinder,
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
    /// With `live` the functions of a location come right behind it; else at the end, by
    /// [`Attribution::symbols`].
    pub(super) fn new(live: bool) -> Self {
        let proc = Proc::default();
        Self {
            interner: Interner::default(),
            modules: Modules::new(proc.clone()),
            processes: HashMap::new(),
            recent: Slots::new(RECENT, 0),
            places: Vec::new(),
            live_resolver: live.then(|| Resolver::new(Options::default())),
            raw_stacks: HashMap::new(),
            copies: HashMap::new(),
            unwinder: Unwinder::new(),
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

    /// Fills in the code and the calls that a fault refers to.
    pub(super) fn fault(
        &mut self,
        fault: &mut Fault,
        stacks: StackIds,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) {
        let moment = Moment {
            pid: fault.pid,
            time_ns: fault.time_ns,
        };
        if fault.ip != 0 {
            fault.location_id = self.recent_location(moment, fault.ip, spaces, rows);
        }
        if stacks != StackIds::default() {
            fault.stack_id = self.calls(moment, stacks, spaces, rows);
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
        let place = self
            .modules
            .place(pid, address, mapping.map(|mapping| &**mapping));
        let id = self.place(pid, address, place, rows);
        let known = self.processes.entry(pid).or_default();
        known.locations.insert(address, (at, id));
        id
    }

    /// The id of a place, which is named if it is new.
    fn place(
        &mut self,
        pid: u32,
        address: u64,
        place: CodePlace,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        let before = rows.len();
        let id = self.interner.location(pid, address, &place, rows)?;
        if rows.len() > before {
            self.name(id, place, rows);
        }
        Some(id)
    }

    /// Names a new location now, or remembers to.
    fn name(&mut self, id: u32, place: CodePlace, rows: &mut Vec<Event>) {
        match &mut self.live_resolver {
            None => self.places.push((id, place)),
            Some(resolver) => {
                let named = resolver.resolve(&[place], Some(&self.modules));
                for frames in named.into_iter().flatten() {
                    rows.extend(SymbolRow::of(id, &frames).map(Event::Symbol));
                }
            }
        }
    }

    /// The process has a new program: its addresses mean something else.
    pub(super) fn executed(&mut self, pid: u32) {
        self.processes.remove(&pid);
    }

    /// The process is gone, and its faults have been taken in.
    pub(super) fn exited(&mut self, pid: u32) {
        self.modules.process_exited(pid);
        self.processes.remove(&pid);
    }

    /// The functions of all locations; reading them from the files' symbols takes its time.
    pub(super) fn symbols(&self) -> Vec<Event> {
        let places: Vec<CodePlace> = self.places.iter().map(|(_, place)| place.clone()).collect();
        let mut resolver = Resolver::new(Options::default());
        let resolved = resolver.resolve(&places, Some(&self.modules));
        let mut rows = Vec::new();
        for ((id, _), resolution) in self.places.iter().zip(resolved) {
            if let Ok(frames) = resolution {
                rows.extend(SymbolRow::of(*id, &frames).map(Event::Symbol));
            }
        }
        rows
    }

    /// Puts what was lost on the way into the run.
    pub(super) const fn finish(&self, run: &mut Run) {
        run.unnamed = self.interner.unnamed();
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
        let mut attribution = Attribution::new(false);
        let mut rows = Vec::new();
        let mut ids = |address| {
            let mut fault = Fault {
                time_ns: 2,
                pid: PID,
                address,
                ip: code,
                ..Fault::BLANK
            };
            let found = spaces.lookup(PID, address, 2).expect("is mapped");
            let (mapping, since_ns) = (Arc::clone(found.mapping), found.since_ns);
            let mapping_id = attribution.mapping(PID, &mapping, since_ns, &mut rows);
            attribution.fault(&mut fault, StackIds::default(), &mut spaces, &mut rows);
            (mapping_id, fault.location_id)
        };
        assert_eq!(ids(data), (Some(1), Some(1)));
        assert_eq!(ids(code), (Some(2), Some(1)));
        assert_eq!(ids(data), (Some(1), Some(1)));
    }
}
