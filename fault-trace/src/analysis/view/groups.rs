//! Faults by key, in bounded memory.

use rustc_hash::FxHashMap;

use super::group::Group;
use crate::{analysis::resident::Resident, model::Fault};

/// What makes a group: a process and a number within it, or 0 and a number.
pub(super) type Key = (u32, u64);

/// How many groups there are at most: some 100 MB, and up to 5 kB more for each whose latencies
/// scatter widely.
pub(super) const CAPACITY: usize = 1 << 18;

/// The groups of a view. Beyond the bound, faults of new keys share one group.
#[derive(Debug)]
pub(super) struct Groups {
    capacity: usize,
    index: FxHashMap<Key, u32>,
    groups: Vec<(Key, Group)>,
    /// The key of the fault before, for faults come in bursts.
    last: Option<(Key, u32)>,
    other: Group,
}

impl Groups {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            index: FxHashMap::default(),
            groups: Vec::new(),
            last: None,
            other: Group::default(),
        }
    }

    /// Adds a fault to the group of `key`.
    pub(super) fn fault(&mut self, key: Key, fault: &Fault, resident: Resident, position: u64) {
        let group = match self.find(key) {
            Some(index) => &mut self.groups[index as usize].1,
            None => &mut self.other,
        };
        group.fault(fault, resident, position);
    }

    fn find(&mut self, key: Key) -> Option<u32> {
        if let Some((last, index)) = self.last
            && last == key
        {
            return Some(index);
        }
        let index = match self.index.get(&key) {
            Some(&index) => index,
            None if self.groups.len() < self.capacity => {
                // The capacity is far below 2^32.
                let index = self.groups.len() as u32;
                self.groups.push((key, Group::default()));
                self.index.insert(key, index);
                index
            }
            None => return None,
        };
        self.last = Some((key, index));
        Some(index)
    }

    /// The groups by key, and the group of all faults that found no room.
    pub(super) fn into_parts(self) -> (Vec<(Key, Group)>, Group) {
        (self.groups, self.other)
    }
}
