//! The kernel's fault counters of threads at one moment, and what changed between two.

use std::collections::BTreeMap;

use crate::model::totals::KernelCounts;

/// The counters of a thread since its birth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadFaults {
    /// When it was born, clock ticks since boot: a thread id used again has another.
    pub start_ticks: u64,
    pub counts: KernelCounts,
}

/// Threads at one moment, by (pid, tid).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    pub threads: BTreeMap<(u32, u32), ThreadFaults>,
}

/// What changed in a process between two snapshots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// What the threads of the later snapshot have counted since the earlier one.
    pub alive: KernelCounts,
    /// What threads that are gone from the later snapshot had counted at the earlier one.
    pub gone: KernelCounts,
}

impl Change {
    /// The whole process's faults between the snapshots, given what all its threads that exited in
    /// between had counted in their lives.
    #[must_use]
    pub const fn with_exited(self, exited: KernelCounts) -> KernelCounts {
        let exited = minus(exited, self.gone);
        plus(self.alive, exited)
    }
}

impl Snapshot {
    /// What changed since `earlier`, by pid: every process of either snapshot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> BTreeMap<u32, Change> {
        let mut changes = BTreeMap::new();
        for (key, now) in &self.threads {
            let change = changes.entry(key.0).or_insert(Change::NOTHING);
            // A thread that was not there before was born in between: all of its faults count.
            let before = earlier.same_thread(*key, now);
            let counts = before.map_or(now.counts, |then| minus(now.counts, then.counts));
            change.alive = plus(change.alive, counts);
        }
        for (key, then) in &earlier.threads {
            let change = changes.entry(key.0).or_insert(Change::NOTHING);
            if self.same_thread(*key, then).is_none() {
                change.gone = plus(change.gone, then.counts);
            }
        }
        changes
    }

    fn same_thread(&self, key: (u32, u32), thread: &ThreadFaults) -> Option<&ThreadFaults> {
        let found = self.threads.get(&key)?;
        (found.start_ticks == thread.start_ticks).then_some(found)
    }
}

impl Change {
    const NOTHING: Self = Self {
        alive: NONE,
        gone: NONE,
    };
}

const NONE: KernelCounts = KernelCounts { minor: 0, major: 0 };

/// The sum of two counts.
pub(super) const fn plus(a: KernelCounts, b: KernelCounts) -> KernelCounts {
    KernelCounts {
        minor: a.minor.saturating_add(b.minor),
        major: a.major.saturating_add(b.major),
    }
}

/// What `a` counts beyond `b`, at least nothing.
pub(super) const fn minus(a: KernelCounts, b: KernelCounts) -> KernelCounts {
    KernelCounts {
        minor: a.minor.saturating_sub(b.minor),
        major: a.major.saturating_sub(b.major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(minor: u64, major: u64) -> KernelCounts {
        KernelCounts { minor, major }
    }

    /// Threads of (pid, tid, start, minor); major is a tenth.
    fn snapshot(threads: &[(u32, u32, u64, u64)]) -> Snapshot {
        let thread = |&(pid, tid, start_ticks, minor)| {
            let counts = faults(minor, minor / 10);
            (
                (pid, tid),
                ThreadFaults {
                    start_ticks,
                    counts,
                },
            )
        };
        Snapshot {
            threads: threads.iter().map(thread).collect(),
        }
    }

    fn change(earlier: &Snapshot, later: &Snapshot, pid: u32) -> Change {
        later.since(earlier)[&pid]
    }

    #[test]
    fn the_threads_of_a_process_are_summed() {
        let earlier = snapshot(&[(5, 5, 1, 100), (5, 6, 2, 50), (7, 7, 1, 10)]);
        let later = snapshot(&[(5, 5, 1, 130), (5, 6, 2, 70), (7, 7, 1, 10)]);
        assert_eq!(change(&earlier, &later, 5).alive, faults(50, 5));
        assert_eq!(change(&earlier, &later, 7), Change::NOTHING);
    }

    #[test]
    fn a_new_thread_counts_whole() {
        let earlier = snapshot(&[(5, 5, 1, 100)]);
        let later = snapshot(&[(5, 5, 1, 100), (5, 8, 9, 40)]);
        assert_eq!(change(&earlier, &later, 5).alive, faults(40, 4));
    }

    #[test]
    fn a_reused_thread_id_is_another_thread() {
        let earlier = snapshot(&[(5, 5, 1, 1000)]);
        let later = snapshot(&[(5, 5, 2, 30)]);
        let change = change(&earlier, &later, 5);
        assert_eq!(change.alive, faults(30, 3));
        assert_eq!(change.gone, faults(1000, 100));
    }

    #[test]
    fn an_exited_thread_counts_only_what_it_did_in_between() {
        let earlier = snapshot(&[(5, 5, 1, 100), (5, 6, 1, 200)]);
        let later = snapshot(&[(5, 5, 1, 110)]);
        let change = change(&earlier, &later, 5);
        // Thread 6 had 200 at first and exited with 230; another lived in between and took 70.
        assert_eq!(change.with_exited(faults(300, 20)), faults(110, 1));
    }

    #[test]
    fn a_process_that_is_gone_is_still_named() {
        let earlier = snapshot(&[(5, 5, 1, 100)]);
        let change = change(&earlier, &Snapshot::default(), 5);
        assert_eq!(change.with_exited(faults(150, 10)), faults(50, 0));
    }
}
