//! From a group's key to what its row stands for.

use fault_trace_common::Class;
use rustc_hash::FxHashMap;

use super::{
    By, Window,
    group::Group,
    groups::Key,
    key::Keys,
    row::{FileRow, FrameRow, Hex, Inclusive, Name, Subject},
};
use crate::{
    analysis::{
        Tables,
        tables::{container::container, mapping_name},
    },
    model::Run,
};

/// Names groups.
#[derive(Clone, Copy)]
pub(super) struct Subjects<'a> {
    pub(super) by: By,
    pub(super) tables: &'a Tables,
    pub(super) run: &'a Run,
    pub(super) window: Window,
    pub(super) keys: &'a Keys<'a>,
    pub(super) inclusive: Option<&'a FxHashMap<u32, Inclusive>>,
    pub(super) page_size_bytes: u64,
}

impl Subjects<'_> {
    pub(super) fn subject(&self, key: Key, group: &Group) -> Subject {
        let (pid, number) = key;
        match self.by {
            By::Class => class(number),
            By::Process => Subject::Process {
                pid,
                comm: self.comm(pid),
            },
            By::Thread => self.thread(pid, number),
            By::Function => self.function(number),
            By::Stack => self.stack(number),
            By::File => Subject::File(self.file(number, group)),
            By::Mapping => self.mapping(number),
            By::Page => self.page(pid, number, group),
            By::Cgroup => self.cgroup(number),
            By::Time => Subject::Time {
                from_ns: self.slot_start_ns(number),
                to_ns: self.slot_start_ns(number + 1),
            },
        }
    }

    /// A process's newest name.
    fn comm(&self, pid: u32) -> Option<Name> {
        let processes = &self.run.totals.processes;
        let of_run = processes.binary_search_by_key(&pid, |process| process.pid);
        let name = of_run.ok().map(|index| processes[index].comm.as_slice());
        let name = name.filter(|name| !name.is_empty());
        let name = name.or_else(|| self.tables.comm(pid, pid, u64::MAX));
        name.map(|name| Name(name.to_vec()))
    }

    fn thread(&self, pid: u32, tid: u64) -> Subject {
        let tid = u32::try_from(tid).unwrap_or(0);
        let comm = self.tables.comm(pid, tid, u64::MAX);
        Subject::Thread {
            pid,
            tid,
            comm: comm.map(|comm| Name(comm.to_vec())),
        }
    }

    fn function(&self, number: u64) -> Subject {
        let inclusive = self.inclusive.map(|inclusive| {
            let number = u32::try_from(number).unwrap_or(0);
            inclusive.get(&number).copied().unwrap_or_default()
        });
        Subject::Function {
            frame: self.keys.function_of(number).map(FrameRow::from),
            inclusive,
        }
    }

    fn stack(&self, number: u64) -> Subject {
        let stack_id = u32::try_from(number).ok().filter(|&id| id != 0);
        let locations = stack_id.and_then(|id| self.tables.stack_of(id));
        let frames = locations
            .unwrap_or_default()
            .iter()
            .flat_map(|&id| self.tables.frames(id));
        Subject::Stack {
            stack_id,
            truncated: stack_id.is_some_and(|id| self.tables.is_truncated(id)),
            frames: frames.map(FrameRow::from).collect(),
        }
    }

    fn file(&self, number: u64, group: &Group) -> FileRow {
        let row = self.keys.mapping_of(number);
        let span = group
            .span
            .filter(|_| row.is_some_and(|row| row.kind.has_file()));
        FileRow {
            file: row.map(|row| mapping_name(row).into()),
            kind: row.map(|row| row.kind),
            deleted: row.is_some_and(|row| row.deleted),
            first_offset_bytes: span.map(|(first, _)| first),
            last_offset_bytes: span.map(|(_, last)| last),
            cached: group.of_class(Class::FileCached),
            read: group.of_class(Class::FileRead) + group.of_class(Class::FileWait),
        }
    }

    fn mapping(&self, number: u64) -> Subject {
        let row = self.keys.mapping_of(number);
        Subject::Mapping {
            pid: row.map(|row| row.pid),
            comm: row.and_then(|row| self.comm(row.pid)),
            mapping: row.map(Into::into),
        }
    }

    fn page(&self, pid: u32, number: u64, group: &Group) -> Subject {
        let address = number.saturating_mul(self.page_size_bytes);
        let row = group.mapping_id.and_then(|id| self.tables.mapping_of(id));
        Subject::Page {
            pid,
            comm: self.comm(pid),
            address: Hex(address),
            refaults: group.count.saturating_sub(1),
            mapping: row.map(|row| mapping_name(row).into()),
            offset_bytes: row.map(|row| row.offset_of(address)),
        }
    }

    fn cgroup(&self, id: u64) -> Subject {
        let path = self.tables.cgroup_path(id).filter(|path| !path.is_empty());
        Subject::Cgroup {
            cgroup_id: (id != 0).then_some(id),
            path: path.map(|path| Name(path.to_vec())),
            container: path.and_then(container).map(str::to_owned),
        }
    }

    /// Where a slot begins, ns from the start of the run.
    fn slot_start_ns(&self, slot: u64) -> u64 {
        let window_ns = self.window.from_ns.saturating_sub(self.run.started_ns);
        window_ns.saturating_add(slot.saturating_mul(self.window.slot_ns))
    }
}

fn class(number: u64) -> Subject {
    let class = u8::try_from(number).ok().and_then(Class::from_number);
    let class = class.unwrap_or(Class::Unknown);
    Subject::Class {
        family: class.family(),
        class,
    }
}
