//! The address spaces of all traced processes, fed by the sideband and by snapshots.
//!
//! Events wait until a look-up, a snapshot or [`Spaces::advance`] reaches their time: that merges the
//! rings of several CPUs, and leaves little to undo for a look-up, as long as look-ups come nearly in
//! order of time. So feed everything that happened before a moment, then look that moment up.

mod recent;

pub use recent::{Kept, Place, Recent, Slots};

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt as _};
use serde::{Deserialize, Serialize};

use super::{
    address_space::{AddressSpace, Certainty, Dropped, Found, Steady},
    mapping::Mapping,
    space_event::{SpaceChange, SpaceEvent},
};

/// Waiting events kept; beyond it the oldest take effect at once.
pub const WAITING_MAX: usize = 1 << 20;
/// How long the past is kept by default, ns: longer than a fault waits to be looked up.
pub const HORIZON_NS: u64 = 5_000_000_000;

/// The base page of x86, bytes.
const PAGE_BYTES: u64 = 4096;

/// What happened beside the ordinary; every count is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SpaceCounts {
    /// Look-ups that found nothing.
    pub unknown: u64,
    /// Look-ups whose mapping is [`Certainty::Uncertain`].
    pub uncertain: u64,
    /// Records that the kernel lost.
    pub lost: u64,
    /// Events that came after a later moment had taken effect.
    pub inversions: u64,
    /// Of processes that are gone already, too.
    pub dropped: Dropped,
}

impl SpaceCounts {
    /// Adds those of another run.
    pub(super) const fn add(&mut self, other: Self) {
        self.unknown = self.unknown.saturating_add(other.unknown);
        self.uncertain = self.uncertain.saturating_add(other.uncertain);
        self.lost = self.lost.saturating_add(other.lost);
        self.inversions = self.inversions.saturating_add(other.inversions);
        self.add_dropped(other.dropped);
    }
}

/// All address spaces. Times are ns of CLOCK_MONOTONIC. Memory is bounded by
/// [`WAITING_MAX`], and per process by the bounds of [`AddressSpace`]; processes that exited are
/// forgotten after the horizon.
#[derive(Debug)]
pub struct Spaces {
    processes: HashMap<u32, Process>,
    /// By time and number of arrival.
    waiting: BTreeMap<(u64, u64), SpaceChange>,
    arrivals: u64,
    reached_ns: u64,
    swept_ns: u64,
    horizon_ns: u64,
    /// The last time records were lost: mappings known from before may have changed unseen.
    lost_ns: Option<u64>,
    /// Processes a snapshot of which would help.
    wanting: BTreeSet<u32>,
    counts: SpaceCounts,
    /// How often something changed that look-ups depend on.
    version: u64,
}

#[derive(Debug, Default)]
struct Process {
    space: AddressSpace,
    /// When the main thread exited. Other threads may go on, so activity revives the process.
    exited_ns: Option<u64>,
}

impl Spaces {
    /// Keeps `horizon_ns` of the past, see [`HORIZON_NS`].
    #[must_use]
    pub fn new(horizon_ns: u64) -> Self {
        Self {
            processes: HashMap::new(),
            waiting: BTreeMap::new(),
            arrivals: 0,
            reached_ns: 0,
            swept_ns: 0,
            horizon_ns,
            lost_ns: None,
            wanting: BTreeSet::new(),
            counts: SpaceCounts::default(),
            version: 0,
        }
    }

    /// Takes an event in; it takes effect when its time is reached.
    pub fn push(&mut self, event: SpaceEvent) {
        self.arrivals += 1;
        let key = (event.time_ns, self.arrivals);
        self.waiting.insert(key, event.change);
        if self.waiting.len() > WAITING_MAX
            && let Some(((time_ns, _), change)) = self.waiting.pop_first()
        {
            self.apply(time_ns, change);
        }
    }

    /// Takes in all that a process has mapped at that moment, as read from /proc/PID/maps right
    /// after it. What happened up to then must have been pushed.
    pub fn snapshot(&mut self, pid: u32, time_ns: u64, mappings: Vec<Mapping>) {
        self.advance(time_ns);
        let process = self.processes.entry(pid).or_default();
        process.space.resync(time_ns, mappings);
        self.version += 1;
        self.wanting.remove(&pid);
    }

    /// Lets everything up to that moment take effect, and forgets what is beyond the horizon.
    pub fn advance(&mut self, time_ns: u64) {
        while let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= time_ns
        {
            let ((at_ns, _), change) = entry.remove_entry();
            self.apply(at_ns, change);
        }
        self.reached_ns = self.reached_ns.max(time_ns);
        if self.reached_ns.saturating_sub(self.swept_ns) > self.horizon_ns {
            self.sweep();
        }
    }

    /// What a process had mapped at a user address at that moment; `None` if that is not known.
    pub fn lookup(&mut self, pid: u32, address: u64, time_ns: u64) -> Option<Found<'_>> {
        self.advance(time_ns);
        let process = self.processes.get_mut(&pid);
        if let Some(process) = process {
            process.seen_alive(time_ns);
        }
        let found = self.processes.get(&pid);
        let found = found.and_then(|process| process.space.lookup(address, time_ns));
        let found = found.map(|found| Found {
            certainty: self.certainty(found.certainty, found.since_ns),
            ..found
        });
        match found {
            None => {
                self.counts.unknown += 1;
                self.wanting.insert(pid);
            }
            Some(found) if found.certainty == Certainty::Uncertain => self.counts.uncertain += 1,
            Some(_) => {}
        }
        found
    }

    /// As [`Spaces::lookup`], without being counted or asking for a snapshot.
    #[inline]
    pub fn peek(&mut self, pid: u32, address: u64, time_ns: u64) -> Option<Found<'_>> {
        self.advance(time_ns);
        self.space(pid)?.lookup(address, time_ns)
    }

    /// As [`Spaces::lookup`], after one that found nothing and a snapshot: they count as one.
    #[inline]
    pub fn lookup_again(&mut self, pid: u32, address: u64, time_ns: u64) -> Option<Found<'_>> {
        self.counts.unknown = self.counts.unknown.saturating_sub(1);
        self.lookup(pid, address, time_ns)
    }

    /// As [`Spaces::lookup`] at the start of a fault that ended at `end_ns`, and whether a mapping
    /// grew down to its page meanwhile. Only the fault itself can do that (`expand_stack`, mm/mmap.c),
    /// and the sideband tells of it.
    #[inline]
    pub fn lookup_fault(
        &mut self,
        pid: u32,
        address: u64,
        start_ns: u64,
        end_ns: u64,
    ) -> Option<Found<'_>> {
        self.advance(end_ns);
        let page = address & !(PAGE_BYTES - 1);
        let at_end = self
            .space(pid)
            .and_then(|space| space.lookup(address, end_ns));
        let grew = at_end.is_some_and(|found| {
            found.since_ns >= start_ns && found.mapping.start == page && !found.mapping.shared
        });
        let found = self.lookup(pid, address, if grew { end_ns } else { start_ns })?;
        Some(Found {
            grew: found.grew || grew,
            ..found
        })
    }

    /// The mappings of a process as far as they are known now; `None` if it is unknown.
    #[must_use]
    pub fn space(&self, pid: u32) -> Option<&AddressSpace> {
        self.processes.get(&pid).map(|process| &process.space)
    }

    /// A number that changes whenever a look-up of the same moment might find something else.
    #[must_use]
    #[inline]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Where look-ups of a process find what they find at `address` now without being counted, until
    /// the [version](Spaces::version) changes. `None` where something may depend on the moment.
    #[must_use]
    pub fn steady(&self, pid: u32, address: u64) -> Option<Steady> {
        let process = self.processes.get(&pid)?;
        let steady = process.space.steady(address)?;
        let certainty = self.certainty(steady.certainty, steady.since_ns);
        // A look-up of a process that has exited may revive it, and one of the uncertain is counted.
        let is_plain = process.exited_ns.is_none() && certainty != Certainty::Uncertain;
        is_plain.then_some(steady)
    }

    /// A mapping from before records were lost may have been replaced by one of those.
    fn certainty(&self, told: Certainty, since_ns: u64) -> Certainty {
        let lost_since = self.lost_ns.is_some_and(|lost_ns| since_ns <= lost_ns);
        match told {
            Certainty::Reported if lost_since => Certainty::Uncertain,
            told => told,
        }
    }

    /// The processes of which something was unknown or lost since the last call: a snapshot of each
    /// would help. It is the caller's to limit how often.
    pub fn take_wanting(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.wanting)
    }

    /// What happened beside the ordinary so far.
    #[must_use]
    pub fn counts(&self) -> SpaceCounts {
        let mut counts = self.counts;
        // A loss is told with the next record, which may be later than whatever was looked up.
        for change in self.waiting.values() {
            if let SpaceChange::Lost { records } = change {
                counts.lost += records;
            }
        }
        for process in self.processes.values() {
            counts.add_dropped(process.space.dropped());
        }
        counts
    }

    fn apply(&mut self, time_ns: u64, change: SpaceChange) {
        if time_ns < self.reached_ns {
            self.counts.inversions += 1;
        }
        self.reached_ns = self.reached_ns.max(time_ns);
        self.version += 1;
        match change {
            SpaceChange::Mapped { pid, mapping } => {
                self.alive(pid, time_ns).insert(time_ns, mapping);
            }
            SpaceChange::Forked {
                pid, parent_pid, ..
            } if pid != parent_pid => {
                let mut space = std::mem::take(self.alive(pid, time_ns));
                match self.processes.get(&parent_pid) {
                    Some(parent) => space.inherit(time_ns, &parent.space),
                    None => space.exec(time_ns),
                }
                *self.alive(pid, time_ns) = space;
            }
            SpaceChange::Named {
                pid, exec: true, ..
            } => self.alive(pid, time_ns).exec(time_ns),
            SpaceChange::Forked { .. } | SpaceChange::Named { .. } => {}
            SpaceChange::Exited { pid, tid } => {
                if let Some(process) = self.processes.get_mut(&pid)
                    && pid == tid
                {
                    process.exited_ns = Some(time_ns);
                }
            }
            SpaceChange::Lost { records } => {
                self.counts.lost += records;
                self.lost_ns = self.lost_ns.max(Some(time_ns));
                self.wanting.extend(self.processes.keys());
            }
        }
    }

    /// The space of a process that did something at that moment.
    fn alive(&mut self, pid: u32, time_ns: u64) -> &mut AddressSpace {
        let process = self.processes.entry(pid).or_default();
        process.seen_alive(time_ns);
        &mut process.space
    }

    fn sweep(&mut self) {
        self.swept_ns = self.reached_ns;
        self.version += 1;
        let cut_ns = self.reached_ns.saturating_sub(self.horizon_ns);
        let Self {
            processes, counts, ..
        } = self;
        processes.retain(|_, process| {
            process.space.forget_before(cut_ns);
            let gone = process.exited_ns.is_some_and(|exited| exited < cut_ns);
            if gone {
                counts.add_dropped(process.space.dropped());
            }
            !gone
        });
    }
}

impl Process {
    fn seen_alive(&mut self, time_ns: u64) {
        if self.exited_ns.is_some_and(|exited| exited < time_ns) {
            self.exited_ns = None;
        }
    }
}

impl SpaceCounts {
    const fn add_dropped(&mut self, dropped: Dropped) {
        self.dropped.changes = self.dropped.changes.saturating_add(dropped.changes);
        self.dropped.pieces = self.dropped.pieces.saturating_add(dropped.pieces);
    }
}

#[cfg(test)]
mod tests;
