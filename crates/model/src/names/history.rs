//! The names that one thread had, by time.

use std::collections::{BTreeMap, VecDeque, btree_map};

use crate::event::TaskChange;

/// A name that a thread got.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) change: TaskChange,
    pub(super) comm: Box<[u8]>,
}

/// Up to so many names one that comes late is put in its place among the others, which is cheapest.
const FEW: usize = 32;

/// The names of a thread in order of time; of two at the same time the later comes last.
///
/// Nearly every thread has one or two, but a recording may claim any number in any order.
#[derive(Debug)]
pub(super) enum History {
    Few(VecDeque<(u64, Name)>),
    /// By time and order of arrival.
    Many {
        names: BTreeMap<(u64, u64), Name>,
        arrived: u64,
    },
}

impl Default for History {
    fn default() -> Self {
        Self::Few(VecDeque::new())
    }
}

impl History {
    pub(super) fn insert(&mut self, time_ns: u64, name: Name) {
        match self {
            Self::Few(names) if names.len() < FEW => {
                let index = names.partition_point(|(other_ns, _)| *other_ns <= time_ns);
                names.insert(index, (time_ns, name));
            }
            Self::Few(names) => {
                let all = std::mem::take(names).into_iter().chain([(time_ns, name)]);
                let names: BTreeMap<_, _> = (0..)
                    .zip(all)
                    .map(|(nth, (time_ns, name))| ((time_ns, nth), name))
                    .collect();
                let arrived = names.len() as u64;
                *self = Self::Many { names, arrived };
            }
            Self::Many { names, arrived } => {
                names.insert((time_ns, *arrived), name);
                *arrived += 1;
            }
        }
    }

    /// Returns the newest name by a time.
    pub(super) fn at(&self, time_ns: u64) -> Option<&Name> {
        match self {
            Self::Few(names) => {
                let after = names.partition_point(|(other_ns, _)| *other_ns <= time_ns);
                names.get(after.checked_sub(1)?).map(|(_, name)| name)
            }
            Self::Many { names, .. } => names
                .range(..=(time_ns, u64::MAX))
                .next_back()
                .map(|(_, name)| name),
        }
    }

    pub(super) fn first(&self) -> Option<&Name> {
        match self {
            Self::Few(names) => names.front().map(|(_, name)| name),
            Self::Many { names, .. } => names.values().next(),
        }
    }

    pub(super) fn last(&self) -> Option<&Name> {
        match self {
            Self::Few(names) => names.back().map(|(_, name)| name),
            Self::Many { names, .. } => names.values().next_back(),
        }
    }

    /// Forgets the oldest name.
    pub(super) fn pop_first(&mut self) {
        match self {
            Self::Few(names) => drop(names.pop_front()),
            Self::Many { names, .. } => {
                drop(names.first_entry().map(btree_map::OccupiedEntry::remove))
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(names) => names.len(),
            Self::Many { names, .. } => names.len(),
        }
    }
}
