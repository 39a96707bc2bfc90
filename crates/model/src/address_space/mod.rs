//! The mappings of one process over time.
//!
//! What is mapped now is a map of disjoint pieces. Each change leaves behind what it replaced, so that
//! a look-up of an earlier moment undoes the changes since. Look-ups come nearly in order of time, so
//! there is little to undo; [`AddressSpace::forget_before`] bounds the history in time and
//! [`HISTORY_MAX`] in size.
//!
//! The kernel reports neither `munmap` nor `mremap` (see `sideband` in the pipeline): a piece that is
//! `Reported` may be gone. A fault that completed there shows that something was mapped; a snapshot
//! settles the rest in hindsight, see [`AddressSpace::resync`].

mod found;
mod pieces;

pub use found::{Certainty, Dropped, Found, Steady};

use std::{collections::VecDeque, sync::Arc};

use super::mapping::Mapping;
use pieces::{Piece, Pieces};

/// Changes and replaced pieces kept; beyond it the oldest are dropped and counted.
pub const HISTORY_MAX: usize = 1 << 17;
/// Pieces kept. Beyond it the older half is evicted and counted: the kernel allows a process fewer
/// (`vm.max_map_count`), so most of them must have been unmapped unseen.
pub const PIECES_MAX: usize = 1 << 20;
/// No other mapping is placed so close below the end of the main stack (`mmap_base`,
/// arch/x86/mm/mmap.c: `SIZE_128M`), so a fault there that completes made the stack grow.
pub const STACK_REACH_BYTES: u64 = 128 << 20;

/// The mappings of one process over time. Times are ns of CLOCK_MONOTONIC.
#[derive(Clone, Debug, Default)]
pub struct AddressSpace {
    /// Shared with forks and with the history until one side changes.
    live: Arc<Pieces>,
    /// Oldest first.
    changes: VecDeque<Change>,
    /// Pieces held by `changes`.
    replaced: usize,
    /// The last exec, fork or snapshot.
    reset_ns: u64,
    newest_ns: u64,
    /// Changes up to here can be undone no more.
    forgotten_ns: u64,
    /// How often code was mapped or replaced, and when last.
    code_changes: u64,
    code_changed_ns: u64,
    dropped: Dropped,
}

#[derive(Clone, Debug)]
struct Change {
    time_ns: u64,
    before: Before,
}

/// What a change replaced.
#[derive(Clone, Debug)]
enum Before {
    Part {
        start: u64,
        end: u64,
        pieces: Pieces,
    },
    Everything(Arc<Pieces>),
}

impl AddressSpace {
    /// A mapping was made over whatever was there. Out of order, it takes effect with the newest
    /// change, uncertain; from before the last exec, fork or snapshot it has no effect.
    pub fn insert(&mut self, time_ns: u64, mapping: Mapping) {
        if time_ns < self.reset_ns || mapping.start >= mapping.end {
            return;
        }
        let certainty = if time_ns < self.newest_ns {
            Certainty::Uncertain
        } else {
            Certainty::Reported
        };
        let since_ns = time_ns.max(self.newest_ns);
        let (start, end) = (mapping.start, mapping.end);
        let live = Arc::make_mut(&mut self.live);
        let pieces = live.carve(start, end);
        if mapping.protection.execute || pieces.has_code() {
            self.code_changes += 1;
            self.code_changed_ns = since_ns;
        }
        let mapping = Arc::new(mapping);
        live.put(
            start,
            Piece {
                end,
                mapping,
                since_ns,
                certainty,
            },
        );
        if live.len() > PIECES_MAX {
            self.dropped.pieces += live.evict_older_half();
        }
        self.push(since_ns, Before::Part { start, end, pieces });
    }

    /// The process replaced its program: nothing is mapped any more.
    pub fn exec(&mut self, time_ns: u64) {
        self.replace(time_ns, Arc::default());
    }

    /// The process was forked by `parent`, whose mappings of that moment it inherits.
    pub fn inherit(&mut self, time_ns: u64, parent: &Self) {
        self.replace(time_ns, parent.state_at(time_ns));
    }

    /// All that is mapped at this moment is known, as from /proc/PID/maps. What was known before is
    /// confirmed or found uncertain by it, in hindsight: it disappeared, appeared or changed at some
    /// moment between.
    pub fn resync(&mut self, time_ns: u64, snapshot: Vec<Mapping>) {
        let time_ns = time_ns.max(self.newest_ns);
        let mut fresh = Pieces::default();
        for mapping in snapshot {
            let (start, end) = (mapping.start, mapping.end);
            fresh.carve(start, end);
            let piece = Piece {
                end,
                mapping: Arc::new(mapping),
                since_ns: time_ns,
                certainty: Certainty::Reported,
            };
            fresh.put(start, piece);
        }
        self.live = Arc::new(self.live.in_hindsight(&fresh, self.reset_ns));
        self.replace(time_ns, Arc::new(fresh));
    }

    /// Looks up what was mapped at `address` at that time. `None` means that nothing is known there.
    #[must_use]
    pub fn lookup(&self, address: u64, time_ns: u64) -> Option<Found<'_>> {
        let mut base = &*self.live;
        let mut piece = base.at(address);
        // What a hole became.
        let mut became = None;
        // Inherited pieces are older than the space.
        if time_ns < self.reset_ns || piece.is_none_or(|piece| piece.since_ns > time_ns) {
            for change in self.changes.iter().rev() {
                if change.time_ns <= time_ns {
                    break;
                }
                match &change.before {
                    Before::Part { start, end, pieces } if (*start..*end).contains(&address) => {
                        became = piece;
                        piece = pieces.at(address);
                    }
                    Before::Part { .. } => {}
                    Before::Everything(before) => {
                        base = before;
                        became = None;
                        piece = base.at(address);
                    }
                }
            }
        }
        if let Some(piece) = piece {
            let forgotten = piece.since_ns > time_ns || time_ns < self.forgotten_ns;
            let certainty = if forgotten {
                Certainty::Uncertain
            } else {
                piece.certainty
            };
            return Some(piece.found(certainty, false));
        }
        became
            .or_else(|| base.next_above(address))
            .filter(|stack| stack.mapping.grows_down() && stack.end - address <= STACK_REACH_BYTES)
            .map(|stack| stack.found(stack.certainty, true))
    }

    /// Where look-ups find what is mapped at `address` now, and need nothing of the past.
    #[must_use]
    pub fn steady(&self, address: u64) -> Option<Steady> {
        let (start, piece) = self.live.entry_at(address)?;
        // A fault in which a mapping grew begins before that.
        let known_ns = piece.since_ns.checked_add(1)?;
        Some(Steady {
            addresses: (start, piece.end),
            from_ns: known_ns.max(self.reset_ns).max(self.forgotten_ns),
            since_ns: piece.since_ns,
            certainty: piece.certainty,
        })
    }

    /// What is known to be mapped now, by address: start, end, and the mapping it is part of.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64, &Mapping)> {
        self.live
            .iter()
            .map(|(start, piece)| (start, piece.end, &*piece.mapping))
    }

    /// A number that tells the code that was mapped at that time from that of other times; `None`
    /// where it has changed since.
    #[must_use]
    pub fn code_version(&self, time_ns: u64) -> Option<u64> {
        (time_ns >= self.code_changed_ns).then_some(self.code_changes)
    }

    /// The code that was mapped at that time, by address: start, end, and the mapping it is part of.
    #[must_use]
    pub fn code(&self, time_ns: u64) -> Vec<(u64, u64, Arc<Mapping>)> {
        let state = self.state_at(time_ns);
        let code = state
            .iter()
            .filter(|(_, piece)| piece.mapping.protection.execute);
        code.map(|(start, piece)| (start, piece.end, Arc::clone(&piece.mapping)))
            .collect()
    }

    /// Forgets what only look-ups before `time_ns` need.
    pub fn forget_before(&mut self, time_ns: u64) {
        while self
            .changes
            .front()
            .is_some_and(|change| change.time_ns <= time_ns)
        {
            self.pop();
        }
    }

    /// What was lost to the bounds so far.
    #[must_use]
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    fn state_at(&self, time_ns: u64) -> Arc<Pieces> {
        let mut state = Arc::clone(&self.live);
        for change in self.changes.iter().rev() {
            if change.time_ns <= time_ns {
                break;
            }
            match &change.before {
                Before::Part { start, end, pieces } => {
                    let state = Arc::make_mut(&mut state);
                    state.carve(*start, *end);
                    state.extend(pieces);
                }
                Before::Everything(before) => state = Arc::clone(before),
            }
        }
        state
    }

    fn replace(&mut self, time_ns: u64, pieces: Arc<Pieces>) {
        let time_ns = time_ns.max(self.newest_ns);
        let before = std::mem::replace(&mut self.live, pieces);
        self.reset_ns = time_ns;
        self.code_changes += 1;
        self.code_changed_ns = time_ns;
        self.push(time_ns, Before::Everything(before));
    }

    fn push(&mut self, time_ns: u64, before: Before) {
        self.newest_ns = time_ns;
        self.replaced += before.size();
        self.changes.push_back(Change { time_ns, before });
        while self.changes.len() + self.replaced > HISTORY_MAX && self.changes.len() > 1 {
            self.pop();
            self.dropped.changes += 1;
        }
    }

    fn pop(&mut self) {
        if let Some(change) = self.changes.pop_front() {
            self.replaced -= change.before.size();
            self.forgotten_ns = change.time_ns;
        }
    }
}

impl Before {
    /// Pieces held, for the bound. A whole former space counts once: it is shared at first, and there
    /// are few.
    fn size(&self) -> usize {
        match self {
            Self::Part { pieces, .. } => pieces.len(),
            Self::Everything(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests;
