//! NUMA hint faults, which leave no trace of their own unless they move a page: the machine's counter
//! tells whether there were any.

use super::Machine;

/// Watches the machine's counter, batch by batch of faults.
#[derive(Debug)]
pub(super) struct NumaHints {
    last: Option<u64>,
    /// Whether it moved up to this batch; `None` until somebody asks.
    moved: Option<bool>,
}

impl NumaHints {
    /// Watches faults from now on.
    pub(super) fn new(machine: &mut impl Machine) -> Self {
        Self {
            last: machine.numa_hint_faults(),
            moved: None,
        }
    }

    /// The faults that are asked about next may be later than those before.
    pub(super) const fn next_batch(&mut self) {
        self.moved = None;
    }

    /// Returns whether any fault of this batch can have been a NUMA hint. The counter is read at most
    /// once a batch, and only if somebody asks.
    pub(super) fn moved(&mut self, machine: &mut impl Machine) -> bool {
        if let Some(moved) = self.moved {
            return moved;
        }
        let now = machine.numa_hint_faults();
        let moved = now != self.last;
        self.last = now;
        self.moved = Some(moved);
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeMachine;

    #[test]
    fn a_moved_counter_casts_doubt_on_one_batch() {
        let mut machine = FakeMachine {
            numa_hint_faults: Some(3),
            ..FakeMachine::default()
        };
        let mut hints = NumaHints::new(&mut machine);
        assert!(!hints.moved(&mut machine));
        machine.numa_hint_faults = Some(4);
        assert!(!hints.moved(&mut machine), "the batch was judged before");
        hints.next_batch();
        assert!(hints.moved(&mut machine));
        hints.next_batch();
        assert!(!hints.moved(&mut machine));
    }

    #[test]
    fn a_kernel_without_numa_balancing_has_no_hints() {
        let mut machine = FakeMachine::default();
        let mut hints = NumaHints::new(&mut machine);
        assert!(!hints.moved(&mut machine));
    }
}
