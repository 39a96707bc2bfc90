//! Numbers of what faults refer to, so that equal things are one group.

use rustc_hash::FxHashMap;

use super::window::Window;
use crate::{Tables, by_id::ById, tables::Frame};
use fault_trace_model::{
    attribution::{LocationKind, MappingRow},
    mapping::Device,
};

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

/// What makes two mappings the same in a view. What it does not go by is left at its default.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub(crate) struct MappingName<'a> {
    pub(crate) kind: u8,
    pub(crate) name: &'a [u8],
    pub(crate) device: Device,
    pub(crate) inode: u64,
    pub(crate) pid: u32,
    pub(crate) start: u64,
    /// Readable, writable, executable, shared.
    pub(crate) flags: [bool; 4],
}

/// What makes two locations the same function.
type FunctionName<'a> = (LocationKind, &'a [u8], Option<&'a str>, u64);

/// Numbers mappings and functions. Names are compared once for each id, never for each fault.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) window: Window,
    pub(crate) page_size_bytes: u64,
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
    pub(super) fn new(tables: &'a Tables, window: Window, page_size_bytes: u64) -> Self {
        Self {
            tables,
            window,
            page_size_bytes: page_size_bytes.max(1),
            mappings: Numbers::default(),
            functions: Numbers::default(),
            known: ById::default(),
            examples: FxHashMap::default(),
            frames: Vec::new(),
        }
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
    pub(crate) fn location(&mut self, id: Option<u32>) -> u32 {
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

    /// The number of what is called like a mapping; 0 if the mapping is not known. Of the mappings called
    /// the same, the one that `is_better` than the others stands for all.
    pub(crate) fn mapping(
        &mut self,
        id: Option<u32>,
        name: fn(&'a MappingRow) -> MappingName<'a>,
        is_better: fn(&MappingRow, &MappingRow) -> bool,
    ) -> u32 {
        let Some(id) = id else { return 0 };
        if let Some(&number) = self.known.get(id) {
            return number;
        }
        let number = match self.tables.mapping_of(id) {
            None => 0,
            Some(row) => {
                let number = self.mappings.get(name(row));
                let example = self.examples.entry(number).or_insert(id);
                let known = self.tables.mapping_of(*example);
                if known.is_some_and(|known| is_better(row, known)) {
                    *example = id;
                }
                number
            }
        };
        self.known.insert(id, number);
        number
    }
}
