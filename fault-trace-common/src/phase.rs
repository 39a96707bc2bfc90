//! Where the time of a fault goes: its latency, cut into phases that never overlap.
//!
//! A stretch of a phase begins and ends; what happens within it belongs to it. So the outermost
//! decides: a sleep within reclaim is reclaim, a sleep of a lock's is the lock's. What is in no
//! stretch is the CPU's ([`Phase::Cpu`]).

/// A part of a fault's latency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u32)]
pub enum Phase {
    /// Waited for a contended lock.
    Lock = 0,
    /// Slept on I/O: uninterruptibly, after issuing I/O or within the page cache.
    Io = 1,
    /// Slept on anything else.
    Sleep = 2,
    /// Was ready to run, and another thread ran.
    Preempted = 3,
    /// Reclaimed memory.
    Reclaim = 4,
    /// Compacted memory.
    Compaction = 5,
    /// All the rest; never counted, but what is left of the latency.
    Cpu = 6,
}

/// The phases that are measured; [`Phase::Cpu`] is what they leave.
pub const MEASURED: usize = 6;

impl Phase {
    /// Every phase; the index is its number.
    pub const ALL: [Self; MEASURED + 1] = [
        Self::Lock,
        Self::Io,
        Self::Sleep,
        Self::Preempted,
        Self::Reclaim,
        Self::Compaction,
        Self::Cpu,
    ];

    /// The name used in outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Io => "io",
            Self::Sleep => "sleep",
            Self::Preempted => "preempted",
            Self::Reclaim => "reclaim",
            Self::Compaction => "compaction",
            Self::Cpu => "cpu",
        }
    }
}

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
    /// The number of the phase whose stretch lasts; [`Phase::Cpu`]'s and higher: none.
    pub current: u32,
    pub padding: u32,
}

impl Phases {
    /// Nothing spent, no stretch.
    pub const NONE: Self = Self {
        spent_ns: [0; MEASURED],
        since_ns: 0,
        current: Phase::Cpu as u32,
        padding: 0,
    };

    /// A stretch of a phase begins, unless it is within another.
    #[inline(always)]
    pub const fn begin(&mut self, phase: Phase, now_ns: u64) {
        if self.current >= Phase::Cpu as u32 {
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
        let phase = core::hint::black_box(self.current as usize) & 7;
        if let Some(spent_ns) = self.spent_ns.get_mut(phase) {
            *spent_ns += now_ns.saturating_sub(self.since_ns);
        }
        self.current = Phase::Cpu as u32;
    }

    /// Whether the thread is off the CPU, as far as the stretches tell.
    #[inline(always)]
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.current >= Phase::Io as u32 && self.current <= Phase::Preempted as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_the_number() {
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, index);
        }
    }

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
    fn an_end_without_a_beginning_is_nothing() {
        let mut phases = Phases::NONE;
        phases.end(Phase::Lock, 10);
        phases.end_any(10);
        assert_eq!(phases, Phases::NONE);
    }
}
