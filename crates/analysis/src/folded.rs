//! Faults as folded stacks: the process, its frames from the outermost to the innermost, the class.

use fault_trace_common::Class;
use rustc_hash::FxHashMap;

use super::{
    FaultFilter, Tables,
    resident::{Resident, Sources},
    slots::Slots,
    weight::Weight,
};
use fault_trace_model::{Fault, Field, Fields, Run, attribution::LocationKind};

/// Distinct stacks kept apart; beyond, faults of new ones share one a process.
const CAPACITY: usize = 1 << 20;
/// Stands for the frames of faults that found no room.
const OTHER: &str = "(other)";

/// Process, stack, faulting place where there is no stack, class.
type Key = (u32, u32, u32, Class);

/// Adds up faults by their stacks.
#[derive(Debug)]
pub struct Folder<'a> {
    weight: Weight,
    filter: FaultFilter,
    tables: &'a Tables,
    run: &'a Run,
    sources: Sources,
    slots: Slots<Key>,
    sums: Vec<(Key, u64)>,
    summary: FoldedSummary,
}

/// Which faults the folded stacks hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FoldedSummary {
    /// Recorded faults.
    pub of: u64,
    /// Faults among them that passed the filters.
    pub faults: u64,
    pub without_stack: u64,
    /// Without a known latency.
    pub untimed: u64,
    /// Faults that found no room for their stack.
    pub ungrouped: u64,
    /// The sum of the weights.
    pub weight: u64,
    /// The sum of the pages made resident.
    pub resident: Resident,
}

/// Folded stacks, ordered, each with its weight.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Folded {
    /// Every frame that is on a stack, in order. Raw text: never printed without `render::sanitize`.
    pub names: Vec<String>,
    /// Frames from the outermost to the innermost, as indices into `names`: a process's name,
    /// functions, and the class in brackets.
    pub stacks: Vec<(Box<[u32]>, u64)>,
    pub summary: FoldedSummary,
}

impl<'a> Folder<'a> {
    /// Folds faults of `run` that pass `filter` and refer to `tables`.
    #[must_use]
    pub fn new(weight: Weight, filter: FaultFilter, tables: &'a Tables, run: &'a Run) -> Self {
        Self {
            weight,
            filter,
            tables,
            run,
            sources: run.into(),
            slots: Slots::default(),
            sums: Vec::new(),
            summary: FoldedSummary::default(),
        }
    }

    /// What [`Folder::faults`] looks at, beside its filter.
    pub const FIELDS: Fields = Resident::FIELDS.and(Fields::of(&[
        Field::Class,
        Field::Latency,
        Field::Location,
        Field::Pid,
        Field::Stack,
    ]));

    /// Counts recorded faults that the filter refuses and that are not taken in for that.
    pub const fn pass_over(&mut self, faults: u64) {
        self.summary.of += faults;
    }

    /// Takes in recorded faults.
    pub fn faults(&mut self, faults: &[Fault]) {
        self.summary.of += faults.len() as u64;
        for fault in faults {
            if self.filter.admits(fault) {
                self.fault(fault);
            }
        }
    }

    fn fault(&mut self, fault: &Fault) {
        let resident = Resident::of(fault, self.sources, || self.tables.kind(fault));
        let weight = self.weight.of(fault, resident);
        let stack_id = fault.stack_id.unwrap_or(0);
        let location_id = match fault.stack_id {
            None => fault.location_id.unwrap_or(0),
            Some(_) => 0,
        };
        let summary = &mut self.summary;
        summary.faults += 1;
        summary.without_stack += u64::from(fault.stack_id.is_none());
        summary.untimed += u64::from(fault.latency_ns.is_none());
        summary.weight = summary.weight.saturating_add(weight);
        summary.resident += resident;
        let mut key = (fault.pid, stack_id, location_id, fault.class);
        let slot = self.slots.of(key, CAPACITY).or_else(|| {
            summary.ungrouped += 1;
            key = (fault.pid, u32::MAX, 0, fault.class);
            self.slots.of(key, usize::MAX)
        });
        let Some(slot) = slot else { return };
        if slot == self.sums.len() {
            self.sums.push((key, 0));
        }
        let sum = &mut self.sums[slot].1;
        *sum = sum.saturating_add(weight);
    }

    /// The folded stacks of the faults so far.
    #[must_use]
    pub fn finish(self) -> Folded {
        let mut names = Names::default();
        let mut sums: FxHashMap<Box<[u32]>, u64> = FxHashMap::default();
        let mut frames = Vec::new();
        for &((pid, stack_id, location_id, class), weight) in &self.sums {
            if weight == 0 {
                continue;
            }
            frames.clear();
            frames.push(names.number(self.comm(pid)));
            self.frames(stack_id, location_id, &mut names, &mut frames);
            frames.push(names.number(format!("[{}]", class.name())));
            match sums.get_mut(&*frames) {
                Some(sum) => *sum = sum.saturating_add(weight),
                None => {
                    sums.insert(frames.as_slice().into(), weight);
                }
            }
        }
        let (names, places) = names.sorted();
        let mut stacks: Vec<(Box<[u32]>, u64)> = sums.into_iter().collect();
        for frame in stacks.iter_mut().flat_map(|(frames, _)| frames.iter_mut()) {
            *frame = places[*frame as usize];
        }
        stacks.sort_unstable();
        Folded {
            names,
            stacks,
            summary: self.summary,
        }
    }

    fn comm(&self, pid: u32) -> String {
        let processes = &self.run.totals.processes;
        let known = processes.binary_search_by_key(&pid, |process| process.pid);
        let comm = known.map_or(&[][..], |index| &processes[index].comm);
        match String::from_utf8_lossy(comm) {
            comm if comm.is_empty() => format!("pid {pid}"),
            comm => comm.into_owned(),
        }
    }

    /// The frames between the process and the class, outermost first.
    fn frames(&self, stack_id: u32, location_id: u32, names: &mut Names, frames: &mut Vec<u32>) {
        match (stack_id, self.tables.stack_of(stack_id)) {
            (u32::MAX, _) => frames.push(names.number(OTHER.to_owned())),
            (_, None) => {
                frames.push(names.number("[no stack]".to_owned()));
                if location_id != 0 {
                    frames.extend_from_slice(names.of_location(self.tables, location_id));
                }
            }
            (id, Some(locations)) => {
                if self.tables.is_truncated(id) {
                    frames.push(names.number("[truncated]".to_owned()));
                }
                for &location in locations.iter().rev() {
                    frames.extend_from_slice(names.of_location(self.tables, location));
                }
            }
        }
    }
}

/// The frames so far, numbered as they came.
#[derive(Default)]
struct Names {
    numbers: FxHashMap<String, u32>,
    /// Those of a location, outermost first.
    locations: FxHashMap<u32, Vec<u32>>,
}

impl Names {
    fn number(&mut self, name: String) -> u32 {
        // There are far fewer than 2^32.
        let next = self.numbers.len() as u32;
        *self.numbers.entry(name).or_insert(next)
    }

    /// The functions of a place, marked as the flame graphs of perf mark them.
    fn of_location(&mut self, tables: &Tables, id: u32) -> &[u32] {
        if !self.locations.contains_key(&id) {
            let frames = tables.frames(id).map(|frame| {
                let mark = match frame.kind {
                    LocationKind::Kernel => "_[k]",
                    LocationKind::Jit => "_[j]",
                    _ if frame.inlined => "_[i]",
                    _ => "",
                };
                self.number(format!("{}{mark}", frame.name()))
            });
            let mut numbers: Vec<u32> = frames.collect();
            numbers.reverse();
            self.locations.insert(id, numbers);
        }
        self.locations.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The names in order, and where each number has gone.
    fn sorted(self) -> (Vec<String>, Vec<u32>) {
        let mut named: Vec<(String, u32)> = self.numbers.into_iter().collect();
        named.sort_unstable();
        let mut places = vec![0; named.len()];
        for (place, (_, number)) in (0..).zip(&named) {
            places[*number as usize] = place;
        }
        (named.into_iter().map(|(name, _)| name).collect(), places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::made_up;
    use fault_trace_filter::Values;
    use fault_trace_model::sample;

    fn folded(weight: Weight, filter: FaultFilter) -> Folded {
        let (tables, run) = (made_up::tables(), sample::database());
        let mut folder = Folder::new(weight, filter, &tables, &run);
        folder.faults(&made_up::faults());
        folder.finish()
    }

    #[test]
    fn every_fault_is_in_one_stack() {
        for weight in [Weight::Count, Weight::Time, Weight::Pages] {
            let folded = folded(weight, FaultFilter::default());
            let sum: u64 = folded.stacks.iter().map(|(_, weight)| weight).sum();
            assert_eq!(sum, folded.summary.weight);
        }
        let summary = folded(Weight::Count, FaultFilter::default()).summary;
        assert_eq!((summary.faults, summary.weight), (69, 69));
        assert_eq!((summary.without_stack, summary.untimed), (4, 4));
    }

    #[test]
    fn it_looks_at_its_fields_only() {
        for weight in [Weight::Count, Weight::Time, Weight::Pages] {
            let (tables, run) = (made_up::tables(), sample::database());
            let mut folder = Folder::new(weight, FaultFilter::default(), &tables, &run);
            for fault in made_up::faults() {
                folder.faults(&[Folder::FIELDS.of_fault(&fault)]);
            }
            assert_eq!(folder.finish(), folded(weight, FaultFilter::default()));
        }
    }

    #[test]
    fn stacks_begin_with_the_process_and_end_with_the_class() {
        let folded = folded(Weight::Count, FaultFilter::default());
        let stacks: Vec<String> = folded
            .stacks
            .iter()
            .map(|(frames, weight)| {
                let frames: Vec<&str> = frames
                    .iter()
                    .map(|&frame| &*folded.names[frame as usize])
                    .collect();
                format!("{} {weight}", frames.join(";"))
            })
            .collect();
        let start = "__libc_start_main@@GLIBC_2.34;main";
        assert_eq!(
            stacks,
            [
                format!("pgbench;{start};a;[file-cached] 20"),
                format!("pgbench;{start};b;b;[anon-alloc] 40"),
                "postgres;[no stack];a;[cow-anon] 3".to_owned(),
                "postgres;[truncated];stripped+0x500;b;[file-read] 5".to_owned(),
                "sh;[no stack];[unknown] 1".to_owned(),
            ]
        );
    }

    #[test]
    fn a_filter_leaves_its_faults_out() {
        let cow = Values::Bits(Class::CowAnon.bit());
        let filter = FaultFilter::default().and(Field::Class, cow);
        let folded = folded(Weight::Count, filter);
        assert_eq!((folded.summary.faults, folded.summary.of), (3, 69));
        assert_eq!(folded.stacks.len(), 1);
    }
}
