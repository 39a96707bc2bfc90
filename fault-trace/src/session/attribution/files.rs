//! What others find out about places in code: which build a file is, names, callers.

use std::{
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use super::{Attribution, waiting::Next};
use crate::{
    host::symbols::News,
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

/// How long nothing may come before files are given up that are not identified, and stacks that are not
/// unwound.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long no name may come: a large file takes seconds, and the opener has bounds of its own.
const NAMES_SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long no name may come when somebody wants the end.
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
    /// Since when nothing has come.
    Files(Instant),
    Names(Instant),
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

    /// Whether something has come.
    fn take(&mut self, batch: &mut Batch) -> bool {
        let News {
            identified,
            named,
            unwound,
        } = self.symbols.poll();
        let has_come = !(identified.is_empty() && named.is_empty() && unwound.is_empty());
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
        has_come
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
    /// all locations. Called again and again until it is done; waits for nothing. With `is_hurried`
    /// somebody wants the end, and what stalls is given up soon.
    pub(in crate::session) fn conclude(&mut self, is_hurried: bool, batch: &mut Batch) -> Ending {
        let has_come = self.take(batch);
        self.release(false, batch);
        let now = Instant::now();
        if has_come || matches!(self.left, Left::Recording) {
            self.left = match self.left {
                Left::Recording | Left::Files(_) => Left::Files(now),
                Left::Names(_) => Left::Names(now),
            };
        }
        if let Left::Files(heard) = self.left {
            let is_over =
                heard.elapsed() > SILENCE_MAX.min(hurry(is_hurried)) || self.symbols.is_down();
            if is_over {
                self.abandon_files(batch);
            }
            if self.waiting.is_empty() && self.unidentified.is_empty() {
                for (id, place, spot) in std::mem::take(&mut self.places) {
                    self.symbols.ask(id, &place, &spot);
                }
                self.take(batch);
                self.left = Left::Names(now);
            }
        }
        if let Left::Names(heard) = self.left {
            if self.symbols.is_named() {
                return Ending::Done;
            }
            if self.symbols.is_down() || heard.elapsed() > hurry(is_hurried) {
                self.abandon(batch);
                return Ending::Done;
            }
        }
        Ending::Naming(self.symbols.unnamed())
    }

    /// Gives up what is left to do.
    pub(in crate::session) fn abandon(&mut self, batch: &mut Batch) {
        self.abandon_files(batch);
        self.unasked_names += self.places.len() as u64 + self.symbols.abandon_names().len() as u64;
        self.places.clear();
        self.left = Left::Names(Instant::now());
    }

    fn abandon_files(&mut self, batch: &mut Batch) {
        for file in self.symbols.abandon_files() {
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
        run.unread.files = losses.files.len() as u64 + losses.more_files;
        run.notes.extend(losses.notes(run.unread.places > 0));
    }
}

const fn hurry(is_hurried: bool) -> Duration {
    if is_hurried {
        HURRIED_MAX
    } else {
        NAMES_SILENCE_MAX
    }
}
