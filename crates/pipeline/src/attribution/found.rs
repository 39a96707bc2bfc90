//! What others find out about places in code: which build a file is, names, callers.

use std::time::Duration;

use super::{Attribution, patience::Patience, waiting::Next};
use crate::{GivenUp, Machine, News};
use fault_trace_model::{
    Batch, Event, Run,
    attribution::{LocationRow, SymbolRow},
    code::{CodeSpot, Resolution, Unresolved},
};

/// A location whose row is still to be made.
pub(super) struct Unidentified {
    id: u32,
    pid: u32,
    address: u64,
    spot: CodeSpot,
}

/// How far the end of a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
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
        machine: &mut impl Machine,
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
            self.describe(made, machine, rows);
        }
        Some(id)
    }

    /// Makes the row of a location, or remembers to.
    fn describe(
        &mut self,
        location: Unidentified,
        machine: &mut impl Machine,
        rows: &mut Vec<Event>,
    ) {
        match machine.place(&location.spot) {
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
                    machine.ask(id, &place, &spot);
                } else {
                    self.places.push((id, place, spot));
                }
            }
        }
    }

    /// Takes in what has come, and adds the faults to the batch that need not wait any more.
    pub(crate) fn take_found(&mut self, machine: &mut impl Machine, batch: &mut Batch) {
        self.take(machine, batch);
        self.release(false, machine, batch);
    }

    fn take(&mut self, machine: &mut impl Machine, batch: &mut Batch) -> Came {
        let News {
            identified,
            named,
            unwound,
        } = machine.poll();
        let is_given_up = |found: &Resolution| matches!(found, Err(Unresolved::GivenUp));
        let came = Came {
            files: !identified.is_empty(),
            names: named.iter().any(|(_, found)| !is_given_up(found)),
        };
        let rows = &mut batch.others;
        for file in identified {
            self.identified(file, machine, rows);
        }
        for unwound in unwound {
            let stack = unwound.stack;
            let id = self.unwound(unwound, machine, rows);
            self.waiting.unwound(stack, id);
        }
        for (id, found) in named {
            self.named(id, &found, rows);
        }
        came
    }

    fn identified(&mut self, file: u32, machine: &mut impl Machine, rows: &mut Vec<Event>) {
        for location in self.unidentified.remove(&file).unwrap_or_default() {
            self.describe(location, machine, rows);
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
    fn release(&mut self, all: bool, machine: &mut impl Machine, batch: &mut Batch) {
        if self.waiting.is_empty() {
            self.waiting.forget();
            return;
        }
        let all = all || machine.is_down();
        let now = machine.now();
        loop {
            let unnamed = &self.unnamed;
            let is_unnamed = |fault: &fault_trace_model::Fault| {
                fault.location_id.is_some_and(|id| unnamed.contains(&id))
            };
            let fault = match self.waiting.next(is_unnamed, now, all) {
                Next::Waits => return,
                Next::Goes(fault) => fault,
                Next::GoesWithout(fault, stack) => {
                    self.lose_stack(stack, machine);
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
    pub(crate) fn conclude(
        &mut self,
        until: Option<Duration>,
        machine: &mut impl Machine,
        batch: &mut Batch,
    ) -> Ending {
        let failed = machine.lost_files() + self.lost_names;
        let came = self.take(machine, batch);
        let has_failed = machine.lost_files() + self.lost_names > failed;
        self.release(false, machine, batch);
        let now = machine.now();
        let is_hurried = until.is_some();
        if until.is_some_and(|until| now >= until) {
            self.abandon(GivenUp::Unfinished, machine, batch);
            return Ending::Done;
        }
        if matches!(self.left, Left::Recording) {
            self.left = Left::Files(Patience::new(now));
        }
        if let Left::Files(patience) = &mut self.left {
            // Each stack is given up in time.
            patience.note(came.files || !self.waiting.is_empty(), has_failed, now);
            if patience.ends_files(is_hurried, now) || machine.is_down() {
                let why = if is_hurried {
                    GivenUp::Unfinished
                } else {
                    GivenUp::Stalled
                };
                self.abandon_files(why, machine, batch);
            }
            if self.waiting.is_empty() && self.unidentified.is_empty() {
                for (id, place, spot) in std::mem::take(&mut self.places) {
                    machine.ask(id, &place, &spot);
                }
                self.take(machine, batch);
                self.left = Left::Names(Patience::new(now));
            }
        }
        if let Left::Names(patience) = &mut self.left {
            patience.note(came.names, has_failed, now);
            if machine.is_named() {
                return Ending::Done;
            }
            if machine.is_down() || patience.ends_names(is_hurried, now) {
                self.abandon(GivenUp::Unfinished, machine, batch);
                return Ending::Done;
            }
        }
        Ending::Naming(machine.unnamed())
    }

    /// Gives up what is left to do.
    pub(crate) fn abandon(&mut self, why: GivenUp, machine: &mut impl Machine, batch: &mut Batch) {
        self.abandon_files(why, machine, batch);
        self.unasked_names += self.places.len() as u64 + machine.abandon_names() as u64;
        self.places.clear();
        self.left = Left::Names(Patience::new(machine.now()));
    }

    fn abandon_files(&mut self, why: GivenUp, machine: &mut impl Machine, batch: &mut Batch) {
        for file in machine.abandon_files(why) {
            self.identified(file, machine, &mut batch.others);
        }
        self.release(true, machine, batch);
    }

    /// Puts the names that are missing, and why, into the run.
    pub(super) fn finish_names(&self, machine: &mut impl Machine, run: &mut Run) {
        run.unread.places = self.lost_names + self.unasked_names;
        run.unread.abandoned = self.unasked_names;
        run.unread.files = machine.lost_files();
        run.notes.extend(machine.losses(run.unread.places > 0));
    }
}
