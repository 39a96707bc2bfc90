//! Which cgroup a thread was in when.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

/// The cgroups of threads over time, in any order without moving others.
#[derive(Debug, Default)]
pub(super) struct Memberships(FxHashMap<(u32, u32), BTreeMap<u64, u64>>);

impl Memberships {
    /// `thread` is in `cgroup` from `time_ns` on. Of two at the same time the later wins.
    pub(super) fn insert(&mut self, thread: (u32, u32), time_ns: u64, cgroup: u64) {
        let cgroups = self.0.entry(thread).or_default();
        let before = cgroups.range(..=time_ns).next_back();
        if before.map(|(_, &before)| before) != Some(cgroup) {
            cgroups.insert(time_ns, cgroup);
        }
    }

    /// The thread's cgroup at a time; before the first that is known, that one: a fault starts before
    /// its thread is seen.
    pub(super) fn at(&self, thread: (u32, u32), time_ns: u64) -> Option<u64> {
        let cgroups = self.0.get(&thread)?;
        let by_then = cgroups.range(..=time_ns).next_back();
        let known = by_then.or_else(|| cgroups.first_key_value());
        known.map(|(_, &id)| id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
