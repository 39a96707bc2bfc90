//! Faults by key, in bounded memory.

use super::group::Group;
use crate::{
    analysis::{resident::Resident, slots::Slots},
    model::Fault,
};

/// What makes a group: a process and a number within it, or 0 and a number.
pub(super) type Key = (u32, u64);

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

    /// Adds a fault, at `position` of a file, to the group of `key`.
    pub(super) fn fault(
        &mut self,
        key: Key,
        fault: &Fault,
        resident: Resident,
        position: Option<u64>,
    ) {
        let group = match self.slots.of(key, self.capacity) {
            None => &mut self.other,
            Some(slot) => {
                if slot == self.groups.len() {
                    self.groups.push((key, Group::default()));
                }
                &mut self.groups[slot].1
            }
        };
        group.fault(fault, resident, position);
    }

    /// The groups by key, and the group of all faults that found no room.
    pub(super) fn into_parts(self) -> (Vec<(Key, Group)>, Group) {
        (self.groups, self.other)
    }
}
