//! The calls that led to a fault: locations from a stack's addresses, or from a copy of it.

use super::{Attribution, KNOWN_MAX, Moment};
use crate::{
    decode::{StackCopy, StackIds},
    host::symbols::{Registers, Unwound},
    model::{Event, spaces::Spaces},
};

/// The calls that led to a fault.
pub(super) enum Calls {
    /// The id of the stack, if it has one.
    Known(Option<u32>),
    /// Others unwind it: its number.
    Asked(u64),
}

impl Attribution {
    /// The calls that led to a fault: those of the kernel, if it was in kernel mode, above the
    /// user's.
    pub(super) fn calls(
        &mut self,
        moment: Moment,
        ids: StackIds,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) -> Calls {
        if let Some(copy) = self.copies.remove(&ids.user) {
            return match self.frames(moment, ids.kernel, spaces, rows) {
                None => Calls::Known(None),
                Some(kernel) => self.unwind(moment, kernel, &copy, spaces, rows),
            };
        }
        Calls::Known(self.told_calls(moment, ids, spaces, rows))
    }

    /// Of stacks that were sent as addresses.
    fn told_calls(
        &mut self,
        moment: Moment,
        ids: StackIds,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        let known = &self.processes.entry(moment.pid).or_default().stacks;
        if let Some(id) = known.get(&ids) {
            return *id;
        }
        // Not remembered where one is missing: it may come yet, for another fault.
        let mut locations = self.frames(moment, ids.kernel, spaces, rows)?;
        let user = self.frames(moment, ids.user, spaces, rows)?;
        locations.extend(user);
        let id = self.interner.stack(locations, rows);
        let known = &mut self.processes.entry(moment.pid).or_default().stacks;
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(ids, id);
        id
    }

    /// The locations of a stack that was sent as addresses; `None`, counted, if it never came.
    fn frames(
        &mut self,
        moment: Moment,
        id: u64,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) -> Option<Vec<u32>> {
        if id == 0 {
            return Some(Vec::new());
        }
        let Some(stack) = self.raw_stacks.get(&id).cloned() else {
            self.interner.count_lost_stack();
            return None;
        };
        let locations = stack.iter().enumerate().filter_map(|(depth, &address)| {
            // A return address may lie beyond the function that called, or in the next line.
            let address = address.saturating_sub(u64::from(depth != 0));
            self.location(moment, address, spaces, rows)
        });
        Some(locations.collect())
    }

    /// Has a copy of a stack unwound; `kernel` are the calls within the kernel.
    fn unwind(
        &mut self,
        Moment { pid, time_ns }: Moment,
        kernel: Vec<u32>,
        copy: &StackCopy,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) -> Calls {
        spaces.advance(time_ns);
        let Some(space) = spaces.space(pid) else {
            return Calls::Known(self.interner.stack(kernel, rows));
        };
        if self.symbols.is_down() || !self.symbols.has_room_for(copy.bytes.len()) {
            self.interner.count_lost_stack();
            return Calls::Known(None);
        }
        let registers = Registers {
            ip: copy.ip,
            sp: copy.sp,
            bp: copy.bp,
        };
        let asked = self
            .symbols
            .unwind((pid, time_ns), registers, &copy.bytes, space);
        self.kernel_calls.insert(asked, kernel);
        Calls::Asked(asked)
    }

    /// Takes in the callers that were found; the id of the stack.
    pub(super) fn unwound(&mut self, unwound: &Unwound, rows: &mut Vec<Event>) -> Option<u32> {
        let mut locations = self.kernel_calls.remove(&unwound.stack)?;
        if unwound.is_lost {
            self.interner.count_lost_stack();
            return None;
        }
        let pid = unwound.code.pid;
        for (depth, &address) in unwound.addresses.iter().enumerate() {
            // A return address may lie beyond the function that called, or in the next line.
            let at = address.wrapping_sub(u64::from(depth != 0));
            let spot = self.symbols.spot(pid, at, unwound.code.at(at));
            locations.extend(self.locate(pid, address, spot, rows));
        }
        self.interner.stack(locations, rows)
    }

    /// A stack did not come in time.
    pub(super) fn lose_stack(&mut self, stack: u64) {
        self.symbols.abandon_stack(stack);
        self.kernel_calls.remove(&stack);
        self.interner.count_lost_stack();
    }
}
