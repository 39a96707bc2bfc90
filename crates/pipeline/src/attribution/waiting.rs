//! Faults that wait for what others find out about them, in order.
//!
//! The ring buffer is drained meanwhile; what does not come in time is left out.

use std::{collections::VecDeque, time::Duration};

use foldhash::HashMap;

use crate::STACK_PATIENCE;
use fault_trace_model::Fault;

/// Bound: faults; beyond it the first go as they are.
const FAULTS_MAX: usize = 1 << 17;
/// How long a fault that somebody watches waits for the name of its function.
const NAME_MAX: Duration = Duration::from_secs(1);

/// The faults, oldest first.
#[derive(Default)]
pub(super) struct Waiting {
    faults: VecDeque<Waits>,
    /// The ids of stacks that were unwound, by number.
    unwound: HashMap<u64, Option<u32>>,
}

struct Waits {
    fault: Fault,
    since: Duration,
    /// The number of its stack.
    stack: Option<u64>,
}

/// What becomes of the oldest fault.
pub(super) enum Next {
    /// It waits on, or there is none.
    Waits,
    Goes(Fault),
    /// Without the stack of this number, which does not come.
    GoesWithout(Fault, u64),
}

impl Waiting {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Adds a fault, with the number of its stack.
    pub(super) fn push(&mut self, fault: Fault, stack: Option<u64>, now: Duration) {
        self.faults.push_back(Waits {
            fault,
            since: now,
            stack,
        });
    }

    /// Forgets stacks whose faults went without them.
    pub(super) fn forget(&mut self) {
        self.unwound.clear();
    }

    /// A stack was unwound.
    pub(super) fn unwound(&mut self, stack: u64, id: Option<u32>) {
        self.unwound.insert(stack, id);
    }

    /// What becomes of the oldest fault. `is_unnamed` tells whether it still misses a name; with
    /// `all` nothing waits.
    pub(super) fn next(
        &mut self,
        is_unnamed: impl FnOnce(&Fault) -> bool,
        now: Duration,
        all: bool,
    ) -> Next {
        let Some(first) = self.faults.front() else {
            self.forget();
            return Next::Waits;
        };
        let waited = now.saturating_sub(first.since);
        let full = all || self.faults.len() > FAULTS_MAX;
        let misses_stack = first
            .stack
            .is_some_and(|stack| !self.unwound.contains_key(&stack));
        let misses_name = is_unnamed(&first.fault);
        let waits = misses_stack && waited < STACK_PATIENCE || misses_name && waited < NAME_MAX;
        if waits && !full {
            return Next::Waits;
        }
        let Some(Waits {
            mut fault, stack, ..
        }) = self.faults.pop_front()
        else {
            return Next::Waits;
        };
        let Some(stack) = stack else {
            return Next::Goes(fault);
        };
        match self.unwound.remove(&stack) {
            Some(id) => {
                fault.stack_id = id;
                Next::Goes(fault)
            }
            None => Next::GoesWithout(fault, stack),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(time_ns: u64) -> Fault {
        Fault {
            time_ns,
            ..Fault::BLANK
        }
    }

    fn goes(waiting: &mut Waiting, all: bool) -> Option<(u64, Option<u32>)> {
        match waiting.next(|_| false, Duration::ZERO, all) {
            Next::Goes(fault) | Next::GoesWithout(fault, _) => {
                Some((fault.time_ns, fault.stack_id))
            }
            Next::Waits => None,
        }
    }

    #[test]
    fn faults_keep_their_order_whatever_comes_first() {
        let mut waiting = Waiting::default();
        waiting.push(fault(1), Some(10), Duration::ZERO);
        waiting.push(fault(2), None, Duration::ZERO);
        waiting.push(fault(3), Some(11), Duration::ZERO);
        waiting.unwound(11, Some(7));
        assert_eq!(goes(&mut waiting, false), None);
        waiting.unwound(10, Some(5));
        assert_eq!(goes(&mut waiting, false), Some((1, Some(5))));
        assert_eq!(goes(&mut waiting, false), Some((2, None)));
        assert_eq!(goes(&mut waiting, false), Some((3, Some(7))));
        assert_eq!(goes(&mut waiting, false), None);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_fault_whose_stack_never_comes_goes_without() {
        let mut waiting = Waiting::default();
        waiting.push(fault(1), Some(4), Duration::ZERO);
        let Next::GoesWithout(fault, 4) = waiting.next(|_| false, Duration::ZERO, true) else {
            panic!("it goes without its stack");
        };
        assert_eq!(fault.stack_id, None);
    }
}
