//! Which sideband records are taken: those of followed processes, each from one origin.
//!
//! A process is *covered* while its tasks have events of their own; then the machine's copy of its
//! records is left out, and what the machine's rings lose is no loss of its. The kernel takes a task's
//! events away when it executes a setuid program: right after the name of that program, and before
//! anything of it is mapped, an exit is told, although the process lives. From then on it is *bare*:
//! the machine's records are all that tells of it and of what it forks.
//!
//! The machine's copy of a record comes just before the task's own, so that a fork is always told by
//! the origin that covers the parent.

use foldhash::{HashSet, HashSetExt as _};

use fault_trace_model::space_event::{Origin, SpaceChange};

/// The followed processes, and how each is told of. Records must come in order of time.
#[derive(Debug)]
pub struct Coverage {
    /// `None`: all processes, by the machine's records.
    followed: Option<HashSet<u32>>,
    /// Whether what followed processes fork is followed.
    children: bool,
    covered: HashSet<u32>,
    /// Alive, followed, and told of by the machine's records only.
    bare: HashSet<u32>,
    /// Executed a program, and has nothing of it mapped yet.
    executing: HashSet<u32>,
}

impl Coverage {
    /// All processes.
    #[must_use]
    pub fn everyone() -> Self {
        Self {
            followed: None,
            ..Self::of([], false)
        }
    }

    /// Those of `pids`, and with `children` those that they fork. All are bare at first.
    #[must_use]
    pub fn of(pids: impl IntoIterator<Item = u32>, children: bool) -> Self {
        let followed: HashSet<u32> = pids.into_iter().collect();
        Self {
            children,
            covered: HashSet::new(),
            bare: followed.clone(),
            executing: HashSet::new(),
            followed: Some(followed),
        }
    }

    /// A process is followed, and all its tasks have events of their own.
    pub fn cover(&mut self, pid: u32) {
        if let Some(followed) = &mut self.followed {
            followed.insert(pid);
            self.covered.insert(pid);
            self.bare.remove(&pid);
        }
    }

    /// No process is covered any more.
    pub fn uncover_all(&mut self) {
        self.bare.extend(self.covered.drain());
    }

    /// The covered processes; those that have exited are among them until that is told.
    pub fn covered(&self) -> impl Iterator<Item = u32> + '_ {
        self.covered.iter().copied()
    }

    /// Forgets the bare processes that are not alive: their exit was lost, or they were gone before.
    pub fn prune(&mut self, mut is_alive: impl FnMut(u32) -> bool) {
        self.bare.retain(|&pid| is_alive(pid));
    }

    /// Whether a record is to be taken.
    pub fn takes(&mut self, origin: Origin, change: &SpaceChange) -> bool {
        if self.followed.is_none() {
            return origin == Origin::Machine;
        }
        match origin {
            Origin::Tasks => self.takes_own(change),
            Origin::Machine => self.takes_machines(change),
        }
    }

    fn takes_own(&mut self, change: &SpaceChange) -> bool {
        match *change {
            SpaceChange::Lost { .. } => return true,
            SpaceChange::Forked {
                pid, parent_pid, ..
            } if pid != parent_pid => {
                if !self.children || !self.is_followed(parent_pid) {
                    self.forget(pid);
                    return false;
                }
                self.cover(pid);
            }
            SpaceChange::Named {
                pid, exec: true, ..
            } => _ = self.executing.insert(pid),
            SpaceChange::Mapped { pid, .. } => _ = self.executing.remove(&pid),
            SpaceChange::Exited { pid, tid } if pid == tid && self.is_followed(pid) => {
                self.covered.remove(&pid);
                if self.executing.remove(&pid) {
                    // It lives on, without events of its own.
                    self.bare.insert(pid);
                    return false;
                }
            }
            SpaceChange::Forked { .. } | SpaceChange::Named { .. } | SpaceChange::Exited { .. } => {
            }
        }
        change.pid().is_some_and(|pid| self.is_followed(pid))
    }

    fn takes_machines(&mut self, change: &SpaceChange) -> bool {
        match *change {
            SpaceChange::Lost { .. } => return !self.bare.is_empty(),
            SpaceChange::Forked {
                pid, parent_pid, ..
            } if pid != parent_pid => {
                if self.covered.contains(&parent_pid) {
                    return false;
                }
                if !self.children || !self.is_followed(parent_pid) {
                    // Maybe the id of one that is gone.
                    self.forget(pid);
                    return false;
                }
                if let Some(followed) = &mut self.followed {
                    followed.insert(pid);
                }
                self.bare.insert(pid);
                return true;
            }
            SpaceChange::Exited { pid, tid } if pid == tid => _ = self.bare.remove(&pid),
            _ => {}
        }
        let pid = change.pid();
        pid.is_some_and(|pid| self.is_followed(pid) && !self.covered.contains(&pid))
    }

    fn is_followed(&self, pid: u32) -> bool {
        self.followed
            .as_ref()
            .is_none_or(|followed| followed.contains(&pid))
    }

    fn forget(&mut self, pid: u32) {
        if let Some(followed) = &mut self.followed {
            followed.remove(&pid);
        }
        for set in [&mut self.covered, &mut self.bare, &mut self.executing] {
            set.remove(&pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_model::mapping::{Kind, Mapping, Protection};

    const ROOT: u32 = 10;
    const CHILD: u32 = 11;
    const OTHER: u32 = 99;

    fn forked(parent_pid: u32, pid: u32) -> SpaceChange {
        SpaceChange::Forked {
            pid,
            tid: pid,
            parent_pid,
        }
    }

    fn executed(pid: u32) -> SpaceChange {
        SpaceChange::Named {
            pid,
            tid: pid,
            comm: b"sudo".to_vec(),
            exec: true,
        }
    }

    fn exited(pid: u32) -> SpaceChange {
        SpaceChange::Exited { pid, tid: pid }
    }

    fn mapped(pid: u32) -> SpaceChange {
        SpaceChange::Mapped {
            pid,
            mapping: Mapping {
                start: 0x1000,
                end: 0x2000,
                offset_bytes: 0,
                protection: Protection::from_bits(3),
                shared: false,
                kind: Kind::Anonymous,
            },
        }
    }

    const LOST: SpaceChange = SpaceChange::Lost { records: 1 };

    /// A change as the kernel tells it of a covered process: the machine's copy first. Which were
    /// taken.
    fn both(coverage: &mut Coverage, change: &SpaceChange) -> (bool, bool) {
        let machines = coverage.takes(Origin::Machine, change);
        (machines, coverage.takes(Origin::Tasks, change))
    }

    fn covered() -> Coverage {
        let mut coverage = Coverage::of([ROOT], true);
        coverage.cover(ROOT);
        coverage
    }

    #[test]
    fn a_covered_process_and_its_children_are_told_of_once() {
        let mut coverage = covered();
        let own = (false, true);
        for change in [
            forked(ROOT, CHILD),
            executed(CHILD),
            mapped(CHILD),
            mapped(ROOT),
            exited(CHILD),
        ] {
            assert_eq!(both(&mut coverage, &change), own, "{change:?}");
        }
        assert!(!coverage.takes(Origin::Machine, &mapped(OTHER)));
    }

    #[test]
    fn what_others_lose_is_no_loss() {
        let mut coverage = covered();
        assert!(!coverage.takes(Origin::Machine, &LOST));
        assert!(coverage.takes(Origin::Tasks, &LOST));
        assert!(Coverage::everyone().takes(Origin::Machine, &LOST));
        assert!(Coverage::of([ROOT], true).takes(Origin::Machine, &LOST));
    }

    #[test]
    fn a_setuid_program_is_followed_by_the_machines_records() {
        let mut coverage = covered();
        both(&mut coverage, &forked(ROOT, CHILD));
        assert_eq!(both(&mut coverage, &executed(CHILD)), (false, true));
        let lost_events = both(&mut coverage, &exited(CHILD));
        assert_eq!(lost_events, (false, false), "it has not exited");
        assert!(coverage.takes(Origin::Machine, &mapped(CHILD)));
        assert!(coverage.takes(Origin::Machine, &LOST));
        // What it forks has no events either.
        assert!(coverage.takes(Origin::Machine, &forked(CHILD, 12)));
        assert!(coverage.takes(Origin::Machine, &mapped(12)));
        for pid in [12, CHILD] {
            assert!(coverage.takes(Origin::Machine, &exited(pid)));
        }
        assert!(!coverage.takes(Origin::Machine, &LOST));
        assert_eq!(both(&mut coverage, &mapped(ROOT)), (false, true));
    }

    #[test]
    fn an_id_that_comes_again_is_another_process() {
        let mut coverage = covered();
        both(&mut coverage, &forked(ROOT, CHILD));
        both(&mut coverage, &exited(CHILD));
        assert!(!coverage.takes(Origin::Machine, &forked(OTHER, CHILD)));
        assert!(!coverage.takes(Origin::Machine, &mapped(CHILD)));
    }

    #[test]
    fn children_are_left_out_on_request() {
        let mut coverage = Coverage::of([ROOT], false);
        coverage.cover(ROOT);
        assert_eq!(both(&mut coverage, &forked(ROOT, CHILD)), (false, false));
        assert_eq!(both(&mut coverage, &mapped(CHILD)), (false, false));
        assert_eq!(both(&mut coverage, &mapped(ROOT)), (false, true));
    }

    #[test]
    fn a_process_whose_exit_was_lost_does_not_stay_bare() {
        let mut coverage = covered();
        both(&mut coverage, &forked(ROOT, CHILD));
        both(&mut coverage, &executed(CHILD));
        both(&mut coverage, &exited(CHILD));
        assert!(coverage.takes(Origin::Machine, &LOST));
        coverage.prune(|pid| pid == ROOT);
        assert!(!coverage.takes(Origin::Machine, &LOST));
    }
}
