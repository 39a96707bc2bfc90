//! A group of faults with all that is known around it: what the fields of a view look at.

use rustc_hash::FxHashMap;

use super::{
    group::Group,
    groups::Key,
    keys::Keys,
    value::{Inclusive, Keep, Label},
};
use crate::{
    Tables,
    tables::{Frame, mapping_name},
};
use fault_trace_model::{Run, attribution::MappingRow};

/// A group and its surroundings.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) key: Key,
    pub(crate) group: &'a Group,
    pub(crate) tables: &'a Tables,
    pub(crate) run: &'a Run,
    pub(super) keys: &'a Keys<'a>,
    pub(super) inclusive: Option<&'a FxHashMap<u32, Inclusive>>,
}

impl<'a> Of<'a> {
    /// The process of a key that has one.
    pub(crate) const fn pid(&self) -> u32 {
        self.key.0
    }

    /// The number of a key as an id; `None` if nothing is known of it.
    pub(crate) fn id(&self) -> Option<u32> {
        u32::try_from(self.key.1).ok().filter(|&id| id != 0)
    }

    /// A process's newest name.
    pub(crate) fn comm(&self, pid: u32) -> Option<&'a [u8]> {
        let processes = &self.run.totals.processes;
        let of_run = processes.binary_search_by_key(&pid, |process| process.pid);
        let name = of_run.ok().map(|index| processes[index].comm.as_slice());
        let name = name.filter(|name| !name.is_empty());
        name.or_else(|| self.tables.comm(pid, pid, u64::MAX))
    }

    /// A process by its name and id, for people.
    pub(crate) fn process(&self, pid: u32) -> Label {
        match self.comm(pid) {
            None => Label::new(pid.to_string(), Keep::Everything),
            Some(comm) => Label::new(comm, Keep::Everything).marked(format!("/{pid}")),
        }
    }

    /// A mapping of the number that the key holds.
    pub(crate) fn mapping(&self) -> Option<&'a MappingRow> {
        self.keys.mapping_of(self.key.1)
    }

    /// The function of the number that the key holds, at the place where it was first seen.
    pub(crate) fn function(&self) -> Option<Frame<'a>> {
        self.keys.function_of(self.key.1)
    }

    /// Faults of the function and all it called, where stacks tell.
    pub(crate) fn inclusive(&self) -> Option<Inclusive> {
        let of_function = self.inclusive?.get(&self.id().unwrap_or(0));
        Some(of_function.copied().unwrap_or_default())
    }

    /// The address of the page of the number that the key holds.
    pub(crate) fn page_address(&self) -> u64 {
        self.key.1.saturating_mul(self.keys.page_size_bytes)
    }

    /// When the slot of time of the number that the key holds begins, and how long it is, ns from the start
    /// of the run.
    pub(crate) fn slot_ns(&self) -> (u64, u64) {
        let window = self.keys.window;
        let from_ns = window.from_ns.saturating_sub(self.run.started_ns);
        let start_ns = |slot: u64| from_ns.saturating_add(slot.saturating_mul(window.slot_ns));
        (start_ns(self.key.1), start_ns(self.key.1 + 1))
    }
}

/// The name of a mapping or its file.
pub(crate) fn name_of(row: &MappingRow) -> Label {
    Label::new(mapping_name(row).into_owned(), Keep::End)
}
