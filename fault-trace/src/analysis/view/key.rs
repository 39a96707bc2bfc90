//! From a fault to the group it belongs to.

use rustc_hash::FxHashMap;

use super::{By, Window, groups::Key};
use crate::{
    analysis::{Tables, by_id::ById, tables::Frame},
    model::{
        Fault, Field, Fields,
        attribution::{LocationKind, MappingKind, MappingRow},
        mapping::Device,
    },
};

/// What [`Keys::of`] looks at, and what else tells one group from another.
pub(super) const fn fields(by: By) -> Fields {
    match by {
        By::Class => Fields::of(&[Field::Class]),
        By::Process => Fields::of(&[Field::Pid]),
        By::Thread => Fields::of(&[Field::Pid, Field::Tid]),
        By::Function => Fields::of(&[Field::Location, Field::Stack]),
        By::Stack => Fields::of(&[Field::Stack]),
        By::File => Fields::of(&[Field::Mapping, Field::Address]),
        By::Mapping => Fields::of(&[Field::Mapping]),
        By::Page => Fields::of(&[Field::Pid, Field::Address]),
        By::Cgroup => Fields::of(&[Field::Pid, Field::Tid, Field::Time]),
        By::Time => Fields::of(&[Field::Time]),
    }
}

/// Numbers names: equal ones get equal numbers, from 1.
#[derive(Debug)]
struct Numbers<T>(FxHashMap<T, u32>);

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

impl<T: std::hash::Hash + Eq> Numbers<T> {
    fn get(&mut self, name: T) -> u32 {
        let next = self.0.len() as u32 + 1;
        *self.0.entry(name).or_insert(next)
    }
}

/// What makes two mappings the same file: or, without one, the same kind of memory.
type FileName<'a> = (MappingKind, Device, u64, &'a [u8]);
/// What makes two mappings the same: they differ in their ends, or in when they were made.
type MappingName<'a> = (u32, u64, MappingKind, [bool; 4], &'a [u8]);
/// What makes two locations the same function.
type FunctionName<'a> = (LocationKind, &'a [u8], Option<&'a str>, u64);

/// Groups faults in one way. Names are compared once for each id, never for each fault.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    by: By,
    tables: &'a Tables,
    window: Window,
    page_size_bytes: u64,
    files: Numbers<FileName<'a>>,
    mappings: Numbers<MappingName<'a>>,
    functions: Numbers<FunctionName<'a>>,
    /// The number of an id of a mapping or location, or 0.
    known: ById<u32>,
    /// A mapping of each number.
    examples: FxHashMap<u32, u32>,
    /// The function of each number from 1.
    frames: Vec<Frame<'a>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(by: By, tables: &'a Tables, window: Window, page_size_bytes: u64) -> Self {
        Self {
            by,
            tables,
            window,
            page_size_bytes: page_size_bytes.max(1),
            files: Numbers::default(),
            mappings: Numbers::default(),
            functions: Numbers::default(),
            known: ById::default(),
            examples: FxHashMap::default(),
            frames: Vec::new(),
        }
    }

    /// The group of `fault`, and its position in a file: what the group's range is taken over.
    pub(super) fn of(&mut self, fault: &Fault) -> (Key, Option<u64>) {
        let key = match self.by {
            By::Class => (0, fault.class as u64),
            By::Process => (fault.pid, 0),
            By::Thread => (fault.pid, fault.tid.into()),
            By::Function => (0, self.location(fault.location_id).into()),
            By::Stack => (0, fault.stack_id.unwrap_or(0).into()),
            By::File => return self.file(fault),
            By::Mapping => (0, self.mapping(fault.mapping_id).into()),
            By::Page => (fault.pid, fault.address / self.page_size_bytes),
            By::Cgroup => {
                let cgroup = self.tables.cgroup_at(fault.pid, fault.tid, fault.time_ns);
                (0, cgroup.unwrap_or(0))
            }
            By::Time => (0, self.window.slot(fault.time_ns)),
        };
        (key, None)
    }

    /// A mapping of the file or the mapping of that number.
    pub(super) fn mapping_of(&self, number: u64) -> Option<&'a MappingRow> {
        let id = self.examples.get(&u32::try_from(number).ok()?)?;
        self.tables.mapping_of(*id)
    }

    /// The function of that number, at the place where it was first seen.
    pub(super) fn function_of(&self, number: u64) -> Option<Frame<'a>> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.frames.get(index).copied()
    }

    /// The number of the function at a location; 0 if the location is not known.
    pub(super) fn location(&mut self, id: Option<u32>) -> u32 {
        let Some(id) = id else { return 0 };
        if let Some(&number) = self.known.get(id) {
            return number;
        }
        let number = match self.tables.location_of(id) {
            Some(_) => self.function(self.tables.innermost(id)),
            None => 0,
        };
        self.known.insert(id, number);
        number
    }

    /// The number of a function.
    pub(super) fn function(&mut self, frame: Frame<'a>) -> u32 {
        // Places without a function are different ones.
        let offset_bytes = match frame.function {
            Some(_) => 0,
            None => frame.offset_bytes,
        };
        let name = (frame.kind, frame.module, frame.function, offset_bytes);
        let number = self.functions.get(name);
        if number as usize > self.frames.len() {
            self.frames.push(frame);
        }
        number
    }

    fn file(&mut self, fault: &Fault) -> (Key, Option<u64>) {
        let row = fault.mapping_id.and_then(|id| self.tables.mapping_of(id));
        let Some((id, row)) = fault.mapping_id.zip(row) else {
            return ((0, 0), None);
        };
        let number = match self.known.get(id) {
            Some(&number) => number,
            None => {
                let number = self.files.get(file_name(row));
                self.examples.entry(number).or_insert(id);
                self.known.insert(id, number);
                number
            }
        };
        ((0, number.into()), Some(row.offset_of(fault.address)))
    }

    fn mapping(&mut self, id: Option<u32>) -> u32 {
        let Some(id) = id else { return 0 };
        if let Some(&number) = self.known.get(id) {
            return number;
        }
        let number = match self.tables.mapping_of(id) {
            None => 0,
            Some(row) => {
                let number = self.mappings.get(mapping_name(row));
                // The one that reaches furthest stands for all.
                let example = self.examples.entry(number).or_insert(id);
                let reach = |id: u32| self.tables.mapping_of(id).map(|row| row.end);
                if reach(*example) < reach(id) {
                    *example = id;
                }
                number
            }
        };
        self.known.insert(id, number);
        number
    }
}

fn file_name(row: &MappingRow) -> FileName<'_> {
    if row.kind.has_file() {
        (row.kind, row.device, row.inode, &row.name)
    } else {
        (row.kind, Device::default(), 0, &row.name)
    }
}

fn mapping_name(row: &MappingRow) -> MappingName<'_> {
    let protection = row.protection;
    let flags = [
        protection.read,
        protection.write,
        protection.execute,
        row.shared,
    ];
    (row.pid, row.start, row.kind, flags, &row.name)
}
