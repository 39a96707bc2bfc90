//! Faults by key, in bounded memory.

use super::group::Group;
use crate::slots::Slots;

/// What makes a group: a process and a number within it, or 0 and a number.
pub(crate) type Key = (u32, u64);

/// How many groups there are at most: some 100 MB, and up to 5 kB more for each whose latencies
/// scatter widely.
pub(super) const CAPACITY: usize = 1 << 18;

/// The groups of a view. Beyond the bound, faults of new keys share one group.
#[derive(Debug)]
pub(super) struct Groups {
    capacity: usize,
    slots: Slots<Key>,
    groups: Vec<(Key, Group)>,
    other: Group,
}

impl Groups {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            slots: Slots::default(),
            groups: Vec::new(),
            other: Group::default(),
        }
    }

    /// The number of the group of `key`; `None` without room for it.
    pub(super) fn slot(&mut self, key: Key) -> Option<usize> {
        let slot = self.slots.of(key, self.capacity)?;
        if slot == self.groups.len() {
            self.groups.push((key, Group::default()));
        }
        Some(slot)
    }

    /// The group of that number.
    pub(super) fn group(&mut self, slot: Option<usize>) -> &mut Group {
        match slot {
            None => &mut self.other,
            Some(slot) => &mut self.groups[slot].1,
        }
    }

    /// The groups by key, and the group of all faults that found no room.
    pub(super) fn into_parts(self) -> (Vec<(Key, Group)>, Group) {
        (self.groups, self.other)
    }
}
