//! What others find out about places in code: which build a file is, names, callers.

use std::{
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use super::{Attribution, waiting::Next};
use crate::{
    host::symbols::{Loss, News},
    model::{
        Batch, Event, Run,
        attribution::{LocationRow, SymbolRow},
        code::{CodeSpot, Resolution, Unresolved},
    },
};

/// A location whose row is still to be made.
pub(super) struct Unidentified {
    id: u32,
    pid: u32,
    address: u64,
    spot: CodeSpot,
}

/// How long no file may be identified, once no stack is waited for, before those left are given up.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long files may take to be identified, and stacks to be unwound, in all.
const FILES_MAX: Duration = Duration::from_secs(10);
/// How long no name may come: a large file takes seconds, twice.
const NAMES_SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long files may take that fail, in all.
const FAILED_MAX: Duration = Duration::from_secs(60);
/// How long files and stacks may take, and no name may come, when somebody wants the end.
const HURRIED_MAX: Duration = Duration::from_millis(600);

/// How far the end of a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::session) enum Ending {
    /// So many places have no names yet.
    Naming(usize),
    Done,
}

/// What is left to do once everything is recorded.
#[derive(Default)]
pub(super) enum Left {
    /// Faults wait, and files are not identified.
    #[default]
    Recording,
    Files(Patience),
    Names(Patience),
}

/// How long what is left has been waited for.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    began: Instant,
    /// When something that was waited for came last.
    heard: Instant,
    /// When that, or a failure, came last.
    noted: Instant,
    /// The time that failures took.
    failed: Duration,
}

impl Patience {
    const fn new(now: Instant) -> Self {
        Self {
            began: now,
            heard: now,
            noted: now,
            failed: Duration::ZERO,
        }
    }

    /// Notes whether something that was waited for has come, and whether a file has failed.
    fn note(&mut self, has_come: bool, has_failed: bool, now: Instant) {
        if has_failed {
            self.failed += now - self.noted;
        }
        if has_come {
            self.heard = now;
        }
        if has_come || has_failed {
            self.noted = now;
        }
    }

    /// Whether files and stacks are given up.
    fn ends_files(&self, is_hurried: bool, now: Instant) -> bool {
        let (silence, all) = if is_hurried {
            (HURRIED_MAX, HURRIED_MAX)
        } else {
            (SILENCE_MAX, FILES_MAX)
        };
        now - self.heard > silence || now - self.began > all
    }

    /// Whether names are given up.
    fn ends_names(&self, is_hurried: bool, now: Instant) -> bool {
        let silence = if is_hurried {
            HURRIED_MAX
        } else {
            NAMES_SILENCE_MAX
        };
        now - self.heard > silence || self.failed > FAILED_MAX
    }
}

/// What has come.
struct Came {
    files: bool,
    /// What became of a name, other than that its file failed.
    names: bool,
}

impl Attribution {
    /// The id of a spot in code, whose row is made if it is new, or when its file is identified.
    pub(super) fn locate(
        &mut self,
        pid: u32,
        address: u64,
        spot: CodeSpot,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        let (id, is_new) = self.interner.location(spot.clone())?;
        if is_new {
            if self.live {
                self.unnamed.insert(id);
            }
            let made = Unidentified {
                id,
                pid,
                address,
                spot,
            };
            self.describe(made, rows);
        }
        Some(id)
    }

    /// Makes the row of a location, or remembers to.
    fn describe(&mut self, location: Unidentified, rows: &mut Vec<Event>) {
        match self.symbols.place(&location.spot) {
            Err(file) => self.unidentified.entry(file).or_default().push(location),
            Ok(place) => {
                let Unidentified {
                    id,
                    pid,
                    address,
                    spot,
                } = location;
                let row = LocationRow::new(id, pid, address, &place);
                rows.push(Event::Location(row));
                if self.live {
                    self.symbols.ask(id, &place, &spot);
                } else {
                    self.places.push((id, place, spot));
                }
            }
        }
    }

    /// Takes in what has come, and adds the faults to the batch that need not wait any more.
    pub(in crate::session) fn take_found(&mut self, batch: &mut Batch) {
        self.take(batch);
        self.release(false, batch);
    }

    fn take(&mut self, batch: &mut Batch) -> Came {
        let News {
            identified,
            named,
            unwound,
        } = self.symbols.poll();
        let is_given_up = |found: &Resolution| matches!(found, Err(Unresolved::GivenUp));
        let came = Came {
            files: !identified.is_empty(),
            names: named.iter().any(|(_, found)| !is_given_up(found)),
        };
        let rows = &mut batch.others;
        for file in identified {
            self.identified(file, rows);
        }
        for unwound in unwound {
            let id = self.unwound(&unwound, rows);
            self.waiting.unwound(unwound.stack, id);
        }
        for (id, found) in named {
            self.named(id, &found, rows);
        }
        came
    }

    fn identified(&mut self, file: u32, rows: &mut Vec<Event>) {
        for location in self.unidentified.remove(&file).unwrap_or_default() {
            self.describe(location, rows);
        }
    }

    fn named(&mut self, id: u32, found: &Resolution, rows: &mut Vec<Event>) {
        self.unnamed.remove(&id);
        match found {
            Ok(frames) => rows.extend(SymbolRow::of(id, frames).map(Event::Symbol)),
            Err(Unresolved::GivenUp) => self.lost_names += 1,
            Err(_) => {}
        }
    }

    /// Adds faults to the batch in their order, up to the first that waits; with `all` none does.
    fn release(&mut self, all: bool, batch: &mut Batch) {
        let all = all || self.symbols.is_down();
        loop {
            let unnamed = &self.unnamed;
            let is_unnamed = |fault: &crate::model::Fault| {
                fault.location_id.is_some_and(|id| unnamed.contains(&id))
            };
            let fault = match self.waiting.next(is_unnamed, all) {
                Next::Waits => return,
                Next::Goes(fault) => fault,
                Next::GoesWithout(fault, stack) => {
                    self.lose_stack(stack);
                    fault
                }
            };
            // The next fault there need not wait as long again.
            if let Some(id) = fault.location_id {
                self.unnamed.remove(&id);
            }
            batch.faults.push(fault);
        }
    }

    /// Goes on with what is left to do once everything is recorded: faults that wait, and the names of
    /// all locations. Called again and again until it is done; waits for nothing. With `until`
    /// somebody wants the end: what stalls is given up soon, and everything at that time.
    pub(in crate::session) fn conclude(
        &mut self,
        until: Option<Instant>,
        batch: &mut Batch,
    ) -> Ending {
        let failed = self.symbols.lost_files() + self.lost_names;
        let came = self.take(batch);
        let has_failed = self.symbols.lost_files() + self.lost_names > failed;
        self.release(false, batch);
        let now = Instant::now();
        let is_hurried = until.is_some();
        if until.is_some_and(|until| now >= until) {
            self.abandon(Loss::Unfinished, batch);
            return Ending::Done;
        }
        if matches!(self.left, Left::Recording) {
            self.left = Left::Files(Patience::new(now));
        }
        if let Left::Files(patience) = &mut self.left {
            // Each stack is given up in time.
            patience.note(came.files || !self.waiting.is_empty(), has_failed, now);
            if patience.ends_files(is_hurried, now) || self.symbols.is_down() {
                let why = if is_hurried {
                    Loss::Unfinished
                } else {
                    Loss::Stalled
                };
                self.abandon_files(why, batch);
            }
            if self.waiting.is_empty() && self.unidentified.is_empty() {
                for (id, place, spot) in std::mem::take(&mut self.places) {
                    self.symbols.ask(id, &place, &spot);
                }
                self.take(batch);
                self.left = Left::Names(Patience::new(now));
            }
        }
        if let Left::Names(patience) = &mut self.left {
            patience.note(came.names, has_failed, now);
            if self.symbols.is_named() {
                return Ending::Done;
            }
            if self.symbols.is_down() || patience.ends_names(is_hurried, now) {
                self.abandon(Loss::Unfinished, batch);
                return Ending::Done;
            }
        }
        Ending::Naming(self.symbols.unnamed())
    }

    /// Gives up what is left to do, for this reason.
    pub(in crate::session) fn abandon(&mut self, why: Loss, batch: &mut Batch) {
        self.abandon_files(why, batch);
        self.unasked_names += self.places.len() as u64 + self.symbols.abandon_names().len() as u64;
        self.places.clear();
        self.left = Left::Names(Patience::new(Instant::now()));
    }

    fn abandon_files(&mut self, why: Loss, batch: &mut Batch) {
        for file in self.symbols.abandon_files(why) {
            self.identified(file, &mut batch.others);
        }
        self.release(true, batch);
    }

    pub(in crate::session) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.symbols.fd()
    }

    /// Puts the names that are missing, and why, into the run.
    pub(super) fn finish_names(&self, run: &mut Run) {
        let losses = self.symbols.losses();
        run.unread.places = self.lost_names + self.unasked_names;
        run.unread.abandoned = self.unasked_names;
        run.unread.files = self.symbols.lost_files();
        run.notes.extend(losses.notes(run.unread.places > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn files_are_given_up_when_none_comes_and_in_the_end_whatever_comes() {
        let began = Instant::now();
        let mut patience = Patience::new(began);
        assert!(!patience.ends_files(false, began + SILENCE_MAX));
        assert!(patience.ends_files(false, began + SILENCE_MAX + SECOND));
        let mut now = began;
        while !patience.ends_files(false, now) {
            now += SECOND;
            patience.note(true, false, now);
        }
        assert_eq!(now, began + FILES_MAX + SECOND);
    }

    #[test]
    fn only_names_put_off_the_end_of_naming() {
        let began = Instant::now();
        let mut patience = Patience::new(began);
        let late = began + NAMES_SILENCE_MAX + SECOND;
        patience.note(false, false, late);
        assert!(patience.ends_names(false, late));
        patience.note(true, false, late);
        assert!(!patience.ends_names(false, late + NAMES_SILENCE_MAX));
    }

    #[test]
    fn files_that_fail_take_a_bounded_time_whatever_comes_between() {
        let mut now = Instant::now();
        let mut patience = Patience::new(now);
        let mut failed = Duration::ZERO;
        while !patience.ends_names(false, now) {
            now += 5 * SECOND;
            patience.note(true, false, now);
            now += 5 * SECOND;
            patience.note(true, true, now);
            failed += 5 * SECOND;
        }
        assert_eq!(failed, FAILED_MAX + 5 * SECOND);
    }

    #[test]
    fn who_wants_the_end_waits_for_little() {
        let began = Instant::now();
        let mut patience = Patience::new(began);
        let late = began + HURRIED_MAX + Duration::from_millis(1);
        assert!(patience.ends_names(true, late));
        patience.note(true, false, late);
        assert!(patience.ends_files(true, late));
        assert!(!patience.ends_names(true, late));
    }
}
