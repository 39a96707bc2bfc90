//! The calls that led to a fault: locations from a stack's addresses, or from a copy of it.

use super::{Attribution, KNOWN_MAX, Moment};
use crate::{
    decode::{StackCopy, StackIds},
    host::symbols::unwind::{self, Registers},
    model::{Event, spaces::Spaces},
};

impl Attribution {
    /// The calls that led to a fault: those of the kernel, if it was in kernel mode, above the
    /// user's.
    pub(super) fn calls(
        &mut self,
        moment: Moment,
        ids: StackIds,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        if let Some(copy) = self.copies.remove(&ids.user) {
            let mut locations = self.frames(moment, ids.kernel, spaces, rows)?;
            locations.extend(self.unwind(moment, &copy, spaces, rows));
            return self.interner.stack(locations, rows);
        }
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

    /// The locations of a stack that was sent as a copy.
    fn unwind(
        &mut self,
        moment: Moment,
        copy: &StackCopy,
        spaces: &mut Spaces,
        rows: &mut Vec<Event>,
    ) -> Vec<u32> {
        let Moment { pid, time_ns } = moment;
        let registers = Registers {
            ip: copy.ip,
            sp: copy.sp,
            bp: copy.bp,
        };
        let bytes = unwind::StackCopy {
            start: copy.sp,
            bytes: &copy.bytes,
        };
        spaces.advance(time_ns);
        let space = spaces.space(pid);
        let mapping_at = |address| {
            let found = space?.lookup(address, time_ns)?;
            Some(&**found.mapping)
        };
        let unwound = self
            .unwinder
            .unwind(pid, registers, bytes, &mut self.modules, mapping_at);
        let frames = unwound.frames.into_iter();
        frames
            .filter_map(|frame| self.place(pid, frame.address, frame.place, rows))
            .collect()
    }
}
