//! What faults refer to by id, gathered row by row from a recording or a live run.

pub mod container;
mod frame;
mod membership;
mod truncation;

pub use frame::Frame;

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::by_id::ById;
use fault_trace_model::{
    Event, Fault, TaskEvent, TaskNames,
    attribution::{CgroupRow, LocationRow, MappingKind, MappingRow, StackRow, SymbolRow},
};
use membership::Memberships;

/// How many rows [`Tables::default`] keeps: some 500 MB at the very most.
const DEFAULT_CAPACITY: usize = 1 << 22;
/// Frames of stacks take a fraction of what other rows take.
const FRAMES_A_ROW: usize = 8;
/// No stack is deeper than this, whatever a damaged recording says.
const DEEPEST: usize = 1024;
/// No place in code lies within so many inlined functions.
const MOST_INLINED: usize = 1024;
/// Bytes of names and paths that are kept, beside the rows.
const TEXT_BYTES: usize = 128 << 20;

/// Mappings, locations, symbols, stacks, cgroups and the names of threads, in bounded memory.
///
/// At the bound further rows are not kept, and [`Tables::not_kept`] counts them: what refers to them
/// is shown as unknown.
#[derive(Debug)]
pub struct Tables {
    capacity: usize,
    rows: usize,
    text_bytes: usize,
    stack_frames: usize,
    not_kept: u64,
    mappings: ById<MappingRow>,
    locations: ById<LocationRow>,
    /// Innermost first.
    symbols: ById<Vec<SymbolRow>>,
    /// Locations, innermost first; 0 for a frame that is missing.
    stacks: ById<Vec<u32>>,
    cgroups: FxHashMap<u64, Vec<u8>>,
    memberships: Memberships,
    names: TaskNames,
}

impl Default for Tables {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl Tables {
    /// Keeps at most `capacity` rows and eight times as many frames of stacks, beside the names of
    /// threads, which have a bound of their own.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            rows: 0,
            text_bytes: 0,
            stack_frames: 0,
            not_kept: 0,
            mappings: ById::default(),
            locations: ById::default(),
            symbols: ById::default(),
            stacks: ById::default(),
            cgroups: FxHashMap::default(),
            memberships: Memberships::default(),
            names: TaskNames::default(),
        }
    }

    /// Takes in an event; faults are passed over.
    pub fn ingest(&mut self, event: &Event) {
        match event {
            Event::Fault(_) => {}
            Event::Task(task) => self.task(task),
            Event::Mapping(row) => self.mapping(row.clone()),
            Event::Location(row) => self.location(row.clone()),
            Event::Symbol(row) => self.symbol(row.clone()),
            Event::Stack(row) => self.stack(*row),
            Event::Cgroup(row) => self.cgroup(row.clone()),
        }
    }

    /// Takes in what happened to a thread.
    pub fn task(&mut self, task: &TaskEvent) {
        self.names.ingest(task);
        if let Some(cgroup_id) = task.cgroup_id
            && self.room(0)
        {
            self.memberships
                .insert((task.pid, task.tid), task.time_ns, cgroup_id);
        }
    }

    /// Takes in a mapping; a later row of the same id replaces it.
    pub fn mapping(&mut self, row: MappingRow) {
        if self.room(row.name.len()) {
            self.mappings.insert(row.id, row);
        }
    }

    /// Takes in a location.
    pub fn location(&mut self, row: LocationRow) {
        if self.room(row.text_bytes()) {
            self.locations.insert(row.id, row);
        }
    }

    /// Takes in a function of a location.
    pub fn symbol(&mut self, row: SymbolRow) {
        if self.room(row.text_bytes()) {
            let symbols = self.symbols.entry(row.location_id);
            if symbols.len() >= MOST_INLINED {
                self.not_kept += 1;
                return;
            }
            let index = symbols.partition_point(|known| known.depth < row.depth);
            symbols.insert(index, row);
        }
    }

    /// Takes in a frame of a stack.
    pub fn stack(&mut self, row: StackRow) {
        let depth = usize::from(row.depth);
        if depth >= DEEPEST || self.stack_frames >= self.capacity.saturating_mul(FRAMES_A_ROW) {
            self.not_kept += 1;
            return;
        }
        let frames = self.stacks.entry(row.stack_id);
        // A frame may stand for those before it that are missing, which take as much.
        self.stack_frames += (depth + 1).saturating_sub(frames.len()).max(1);
        if frames.len() <= depth {
            frames.resize(depth + 1, 0);
        }
        frames[depth] = row.location_id;
    }

    /// Takes in a cgroup; a path stays known when a later row has none.
    pub fn cgroup(&mut self, row: CgroupRow) {
        if self.room(row.path.len()) {
            let path = self.cgroups.entry(row.id).or_default();
            if !row.path.is_empty() {
                *path = row.path;
            }
        }
    }

    fn room(&mut self, text_bytes: usize) -> bool {
        let room = self.rows < self.capacity && text_bytes <= TEXT_BYTES - self.text_bytes;
        if room {
            self.rows += 1;
            self.text_bytes += text_bytes;
        } else {
            self.not_kept += 1;
        }
        room
    }

    /// Rows and names that were not kept for lack of room.
    #[must_use]
    pub fn not_kept(&self) -> u64 {
        self.not_kept + self.names.forgotten()
    }

    /// Counts rows that somebody else found no room for.
    pub const fn not_kept_elsewhere(&mut self, rows: u64) {
        self.not_kept += rows;
    }

    /// The mapping of that id.
    #[must_use]
    pub fn mapping_of(&self, id: u32) -> Option<&MappingRow> {
        self.mappings.get(id)
    }

    /// What a fault lies in.
    #[must_use]
    pub fn kind(&self, fault: &Fault) -> Option<MappingKind> {
        let row = self.mappings.get(fault.mapping_id?)?;
        Some(row.kind)
    }

    /// The location of that id.
    #[must_use]
    pub fn location_of(&self, id: u32) -> Option<&LocationRow> {
        self.locations.get(id)
    }

    /// The functions of a location, innermost first; one without a name where none is known.
    pub fn frames(&self, location_id: u32) -> impl Iterator<Item = Frame<'_>> {
        let location = self.locations.get(location_id);
        let symbols = self.symbols.get(location_id).map_or(&[][..], Vec::as_slice);
        (0..symbols.len().max(1)).map(move |depth| Frame::new(location, symbols.get(depth)))
    }

    /// The innermost function of a location.
    #[must_use]
    pub fn innermost(&self, location_id: u32) -> Frame<'_> {
        let symbols = self.symbols.get(location_id);
        Frame::new(
            self.locations.get(location_id),
            symbols.and_then(|symbols| symbols.first()),
        )
    }

    /// The locations of a stack, innermost first: the faulting instruction, its caller, …
    #[must_use]
    pub fn stack_of(&self, id: u32) -> Option<&[u32]> {
        self.stacks.get(id).map(Vec::as_slice)
    }

    /// Whether any mapping is known.
    #[must_use]
    pub fn has_mappings(&self) -> bool {
        !self.mappings.is_empty()
    }

    /// Whether any location is known.
    #[must_use]
    pub fn has_locations(&self) -> bool {
        !self.locations.is_empty()
    }

    /// Whether any stack is known.
    #[must_use]
    pub fn has_stacks(&self) -> bool {
        !self.stacks.is_empty()
    }

    /// Whether a stack looks truncated: its user part does not lead back to where a thread starts, or
    /// it is as deep as stacks can be.
    #[must_use]
    pub fn is_truncated(&self, stack_id: u32) -> bool {
        self.stacks
            .get(stack_id)
            .is_some_and(|locations| truncation::is_truncated(self, locations))
    }

    /// The cgroup of a thread at a time.
    #[must_use]
    pub fn cgroup_at(&self, pid: u32, tid: u32, time_ns: u64) -> Option<u64> {
        self.memberships.at((pid, tid), time_ns)
    }

    /// The path of a cgroup, raw bytes; empty if it was gone too soon.
    #[must_use]
    pub fn cgroup_path(&self, id: u64) -> Option<&[u8]> {
        self.cgroups.get(&id).map(Vec::as_slice)
    }

    /// Whether the cgroup of any thread is known.
    #[must_use]
    pub fn has_cgroups(&self) -> bool {
        !self.memberships.is_empty()
    }

    /// The name of a thread at a time, see [`TaskNames::name`].
    #[must_use]
    pub fn comm(&self, pid: u32, tid: u32, time_ns: u64) -> Option<&[u8]> {
        self.names.name(pid, tid, time_ns)
    }
}

/// The name shown for a mapping: `[anon:NAME]` for memory that the program named. Raw bytes, never
/// printed without `render::sanitize`.
#[must_use]
pub fn mapping_name(row: &MappingRow) -> Cow<'_, [u8]> {
    match row.kind {
        MappingKind::Named => Cow::Owned([b"[anon:", &*row.name, b"]"].concat()),
        _ => Cow::Borrowed(&row.name),
    }
}

#[cfg(test)]
mod tests;
