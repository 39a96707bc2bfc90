//! Gives mappings, code locations and stacks the ids by which faults refer to them.

use std::{collections::hash_map::Entry, hash::Hash, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};
use serde::{Deserialize, Serialize};

use super::{
    attribution::{MappingRow, StackRow},
    code::CodeSpot,
    event::Event,
    mapping::Mapping,
};

/// Bound: mappings, and locations, of a run that get an id.
const IDS_MAX: usize = 1 << 20;
/// Bound: stacks of a run that get an id; of [`StackRow`] each has as many as it has frames.
const STACKS_MAX: usize = 1 << 18;

/// What got no id for lack of room; every count is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Unnamed {
    /// Faults whose mapping has no id.
    pub mappings: u64,
    /// Instructions and return addresses without an id.
    pub locations: u64,
    /// Faults whose stack has no id.
    pub stacks: u64,
    /// Faults whose stack never arrived.
    pub lost_stacks: u64,
}

impl Unnamed {
    /// Adds what another run left out.
    pub(super) const fn add(&mut self, other: Self) {
        self.mappings = self.mappings.saturating_add(other.mappings);
        self.locations = self.locations.saturating_add(other.locations);
        self.stacks = self.stacks.saturating_add(other.stacks);
        self.lost_stacks = self.lost_stacks.saturating_add(other.lost_stacks);
    }
}

/// The ids given so far. New rows are appended to a list of events, ahead of the fault that needs
/// them.
#[derive(Debug, Default)]
pub struct Interner {
    mappings: Ids<(u32, Arc<Mapping>)>,
    locations: Ids<CodeSpot>,
    stacks: Ids<Arc<[u32]>>,
    unnamed: Unnamed,
}

#[derive(Debug)]
struct Ids<K>(HashMap<K, u32>);

impl<K> Default for Ids<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Ids<K> {
    /// The id of `key`, and whether it is new; `None` if there is no room for another.
    fn of(&mut self, key: K, max: usize) -> Option<(u32, bool)> {
        let next = u32::try_from(self.0.len() + 1).ok()?;
        let is_full = self.0.len() >= max;
        match self.0.entry(key) {
            Entry::Occupied(known) => Some((*known.get(), false)),
            Entry::Vacant(_) if is_full => None,
            Entry::Vacant(free) => Some((*free.insert(next), true)),
        }
    }
}

impl Interner {
    /// The id of a process's mapping, known since `since_ns`.
    #[inline]
    pub fn mapping(
        &mut self,
        pid: u32,
        since_ns: u64,
        mapping: &Arc<Mapping>,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        let Some((id, is_new)) = self.mappings.of((pid, Arc::clone(mapping)), IDS_MAX) else {
            self.unnamed.mappings += 1;
            return None;
        };
        if is_new {
            rows.push(Event::Mapping(MappingRow::new(id, pid, since_ns, mapping)));
        }
        Some(id)
    }

    /// The id of a spot in code, and whether it is new: then its row is still to be made.
    #[inline]
    pub fn location(&mut self, spot: CodeSpot) -> Option<(u32, bool)> {
        let id = self.locations.of(spot, IDS_MAX);
        self.unnamed.locations += u64::from(id.is_none());
        id
    }

    /// The id of a stack, locations innermost first.
    pub fn stack(&mut self, locations: Vec<u32>, rows: &mut Vec<Event>) -> Option<u32> {
        let frames: Arc<[u32]> = locations.into();
        let Some((stack_id, is_new)) = self.stacks.of(Arc::clone(&frames), STACKS_MAX) else {
            self.unnamed.stacks += 1;
            return None;
        };
        if is_new {
            rows.extend((0..).zip(frames.iter()).map(|(depth, &location_id)| {
                Event::Stack(StackRow {
                    stack_id,
                    depth,
                    location_id,
                })
            }));
        }
        Some(stack_id)
    }

    /// Counts a fault whose stack never arrived.
    pub const fn count_lost_stack(&mut self) {
        self.unnamed.lost_stacks += 1;
    }

    /// What got no id so far.
    #[must_use]
    pub const fn unnamed(&self) -> Unnamed {
        self.unnamed
    }
}
