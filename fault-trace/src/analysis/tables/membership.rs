//! Which cgroup a thread was in when.

use rustc_hash::FxHashMap;

/// The cgroups of threads over time.
#[derive(Debug, Default)]
pub(super) struct Memberships(FxHashMap<(u32, u32), Vec<(u64, u64)>>);

impl Memberships {
    /// `thread` is in `cgroup` from `time_ns` on. Of two at the same time the later wins.
    pub(super) fn insert(&mut self, thread: (u32, u32), time_ns: u64, cgroup: u64) {
        let cgroups = self.0.entry(thread).or_default();
        let index = cgroups.partition_point(|&(since_ns, _)| since_ns <= time_ns);
        let before = index.checked_sub(1).map(|before| cgroups[before].1);
        if before != Some(cgroup) {
            cgroups.insert(index, (time_ns, cgroup));
        }
    }

    /// The thread's cgroup at a time; before the first that is known, that one: a fault starts before
    /// its thread is seen.
    pub(super) fn at(&self, thread: (u32, u32), time_ns: u64) -> Option<u64> {
        let cgroups = self.0.get(&thread)?;
        let after = cgroups.partition_point(|&(since_ns, _)| since_ns <= time_ns);
        cgroups.get(after.saturating_sub(1)).map(|&(_, id)| id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
