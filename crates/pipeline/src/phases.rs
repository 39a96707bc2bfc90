//! Phases, which come in a record of their own just ahead of their fault.

use foldhash::HashMap;

use super::decode::RawPhases;
use fault_trace_model::Fault;

/// Bound: phases that wait for their fault.
const WAITING_MAX: usize = 1 << 12;

/// Phases whose fault comes next, by thread: as many as there are CPUs, unless faults are lost.
#[derive(Debug, Default)]
pub(super) struct Phases(HashMap<u32, RawPhases>);

impl Phases {
    /// Forgets those whose faults were lost, if they are too many. Called between batches.
    pub(super) fn next_batch(&mut self) {
        if self.0.len() > WAITING_MAX {
            self.0.clear();
        }
    }

    #[inline]
    pub(super) fn put(&mut self, phases: RawPhases) {
        self.0.insert(phases.tid, phases);
    }

    /// Fills in the phases of a fault, if there are any.
    #[inline]
    pub(super) fn fill_in(&mut self, fault: &mut Fault) {
        if !self.0.is_empty()
            && let Some(phases) = self.0.remove(&fault.tid)
            && phases.time_ns == fault.time_ns
        {
            fault.phases_ns = phases.spent_ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use fault_trace_common::phase::MEASURED;

    use super::*;

    const fn of(tid: u32, time_ns: u64) -> RawPhases {
        RawPhases {
            tid,
            time_ns,
            spent_ns: [7; MEASURED],
        }
    }

    fn filled_in(phases: &mut Phases, tid: u32, time_ns: u64) -> bool {
        let mut fault = Fault {
            time_ns,
            tid,
            ..Fault::BLANK
        };
        phases.fill_in(&mut fault);
        fault.phases_ns == [7; MEASURED]
    }

    #[test]
    fn phases_meet_the_fault_of_their_thread_and_moment_once() {
        let mut phases = Phases::default();
        phases.put(of(1, 10));
        assert!(!filled_in(&mut phases, 2, 10), "another thread");
        assert!(filled_in(&mut phases, 1, 10));
        assert!(!filled_in(&mut phases, 1, 10), "they were its already");
    }

    #[test]
    fn phases_of_a_lost_fault_are_not_those_of_the_next() {
        let mut phases = Phases::default();
        phases.put(of(1, 10));
        assert!(!filled_in(&mut phases, 1, 11));
        phases.put(of(1, 12));
        assert!(filled_in(&mut phases, 1, 12));
    }
}
