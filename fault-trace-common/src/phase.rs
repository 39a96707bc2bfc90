//! Where the time of a fault goes: its latency, cut into phases that never overlap.
//!
//! A stretch of a phase begins and ends; what happens within it belongs to it. So the outermost
//! decides: a sleep within reclaim is reclaim, a sleep of a lock's is the lock's. What is in no
//! stretch is the CPU's ([`Phase::Cpu`], which is [`REST`]).

pub use crate::catalogue::phase::{MEASURED, Nature, Phase, REST};

/// The time spent in each measured phase, ns; the index is the phase's number.
pub type Spent = [u64; MEASURED];

/// Adds times to a sum of times.
pub fn add(sum_ns: &mut Spent, spent_ns: &Spent) {
    for (sum_ns, spent_ns) in sum_ns.iter_mut().zip(spent_ns) {
        *sum_ns = sum_ns.saturating_add(*spent_ns);
    }
}

/// The phases of a fault in progress. Times are ns of CLOCK_MONOTONIC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Phases {
    pub spent_ns: Spent,
    /// When the stretch began that lasts.
    pub since_ns: u64,
    /// The number of the phase whose stretch lasts; that of [`REST`]: none.
    pub current: u32,
    pub padding: u32,
}

impl Phases {
    /// Nothing spent, no stretch.
    pub const NONE: Self = Self {
        spent_ns: [0; MEASURED],
        since_ns: 0,
        current: REST as u32,
        padding: 0,
    };

    /// A stretch of a phase begins, unless it is within another.
    #[inline(always)]
    pub const fn begin(&mut self, phase: Phase, now_ns: u64) {
        if self.current >= REST as u32 {
            self.current = phase as u32;
            self.since_ns = now_ns;
        }
    }

    /// The stretch of a phase ends; within another it was none.
    #[inline(always)]
    pub fn end(&mut self, phase: Phase, now_ns: u64) {
        if self.current == phase as u32 {
            self.end_any(now_ns);
        }
    }

    /// Whatever stretch lasts ends.
    #[inline(always)]
    pub fn end_any(&mut self, now_ns: u64) {
        // The mask changes nothing but what the verifier knows; black_box keeps it.
        const MASK: usize = Phase::COUNT.next_power_of_two() - 1;
        let phase = core::hint::black_box(self.current as usize) & MASK;
        if let Some(spent_ns) = self.spent_ns.get_mut(phase) {
            *spent_ns += now_ns.saturating_sub(self.since_ns);
        }
        self.current = REST as u32;
    }

    /// Whether the thread is off the CPU, as far as the stretches tell.
    #[inline(always)]
    #[must_use]
    pub const fn is_away(&self) -> bool {
        const AWAY: u32 = Phase::mask(Nature::Away);
        AWAY.unbounded_shr(self.current) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_stretch_counts() {
        let mut phases = Phases::NONE;
        phases.begin(Phase::Reclaim, 10);
        phases.begin(Phase::Sleep, 12);
        phases.end(Phase::Sleep, 17);
        phases.end(Phase::Reclaim, 20);
        phases.begin(Phase::Io, 25);
        phases.end_any(30);
        assert_eq!(phases.spent_ns, [0, 5, 0, 0, 10, 0]);
    }

    #[test]
    fn a_thread_is_away_in_the_phases_whose_nature_says_so() {
        for phase in Phase::ALL {
            let mut phases = Phases::NONE;
            phases.begin(phase, 1);
            assert_eq!(
                phases.is_away(),
                phase.nature() == Some(Nature::Away),
                "{phase:?}"
            );
        }
    }

    #[test]
    fn an_end_without_a_beginning_is_nothing() {
        let mut phases = Phases::NONE;
        phases.end(Phase::Lock, 10);
        phases.end_any(10);
        assert_eq!(phases, Phases::NONE);
    }
}
