//! The calls that led to a fault: locations from a stack's addresses, or from a copy of it.

use super::{Attribution, Context, KNOWN_MAX};
use crate::{
    Machine, Moment, Unwound,
    decode::{StackCopy, StackIds},
};
use fault_trace_model::Event;

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
    pub(super) fn calls<M: Machine>(
        &mut self,
        ids: StackIds,
        context: &mut Context<'_, M>,
    ) -> Calls {
        if let Some(copy) = self.copies.remove(&ids.user) {
            return match self.frames(ids.kernel, context) {
                None => Calls::Known(None),
                Some(kernel) => self.unwind(kernel, &copy, context),
            };
        }
        Calls::Known(self.told_calls(ids, context))
    }

    /// Of stacks that were sent as addresses.
    fn told_calls<M: Machine>(
        &mut self,
        ids: StackIds,
        context: &mut Context<'_, M>,
    ) -> Option<u32> {
        let pid = context.moment.pid;
        let known = &self.processes.entry(pid).or_default().stacks;
        if let Some(id) = known.get(&ids) {
            return *id;
        }
        // Not remembered where one is missing: it may come yet, for another fault.
        let mut locations = self.frames(ids.kernel, context)?;
        let user = self.frames(ids.user, context)?;
        locations.extend(user);
        let id = self.interner.stack(locations, context.rows);
        let known = &mut self.processes.entry(pid).or_default().stacks;
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(ids, id);
        id
    }

    /// The locations of a stack that was sent as addresses; `None`, counted, if it never came.
    fn frames<M: Machine>(&mut self, id: u64, context: &mut Context<'_, M>) -> Option<Vec<u32>> {
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
            self.location(address, context)
        });
        Some(locations.collect())
    }

    /// Has a copy of a stack unwound; `kernel` are the calls within the kernel.
    fn unwind<M: Machine>(
        &mut self,
        kernel: Vec<u32>,
        copy: &StackCopy,
        context: &mut Context<'_, M>,
    ) -> Calls {
        let Context {
            moment,
            spaces,
            machine,
            rows,
        } = context;
        let Moment { pid, time_ns } = *moment;
        spaces.advance(time_ns);
        let Some(space) = spaces.space(pid) else {
            return Calls::Known(self.interner.stack(kernel, rows));
        };
        let Some(asked) = machine.unwind(*moment, copy, space) else {
            self.interner.count_lost_stack();
            return Calls::Known(None);
        };
        self.kernel_calls.insert(asked, kernel);
        Calls::Asked(asked)
    }

    /// Takes in the callers that were found; the id of the stack.
    pub(super) fn unwound(
        &mut self,
        unwound: Unwound,
        machine: &mut impl Machine,
        rows: &mut Vec<Event>,
    ) -> Option<u32> {
        let Unwound { stack, pid, calls } = unwound;
        let mut locations = self.kernel_calls.remove(&stack)?;
        let Some(calls) = calls else {
            self.interner.count_lost_stack();
            return None;
        };
        for (address, spot) in calls {
            locations.extend(self.locate(pid, address, spot, machine, rows));
        }
        self.interner.stack(locations, rows)
    }

    /// A stack did not come in time.
    pub(super) fn lose_stack(&mut self, stack: u64, machine: &mut impl Machine) {
        machine.abandon_stack(stack);
        self.kernel_calls.remove(&stack);
        self.interner.count_lost_stack();
    }
}
