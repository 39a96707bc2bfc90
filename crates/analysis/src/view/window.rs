//! Slots of time.

/// A stretch of time, cut into slots of equal length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// First moment, ns of CLOCK_MONOTONIC.
    pub from_ns: u64,
    /// The first beyond.
    pub to_ns: u64,
    pub slot_ns: u64,
}

impl Window {
    /// The stretch in at most `slots` slots of 1, 2 or 5 units each.
    #[must_use]
    pub fn new(from_ns: u64, to_ns: u64, slots: usize) -> Self {
        let length_ns = to_ns.saturating_sub(from_ns).max(1);
        let shortest_ns = length_ns.div_ceil(slots.max(1) as u64);
        let mut slot_ns = 1_u64;
        for step in [2, 5, 10].into_iter().cycle() {
            if slot_ns >= shortest_ns || slot_ns > 1 << 60 {
                break;
            }
            // 1, 2, 5, 10, 20, …
            slot_ns = match step {
                2 => slot_ns * 2,
                5 => slot_ns / 2 * 5,
                _ => slot_ns * 2,
            };
        }
        Self {
            from_ns,
            to_ns: to_ns.max(from_ns + 1),
            slot_ns,
        }
    }

    /// The slot of a moment; what lies outside counts for the first or the last.
    #[must_use]
    pub fn slot(&self, time_ns: u64) -> u64 {
        let within = time_ns.clamp(self.from_ns, self.to_ns - 1) - self.from_ns;
        within / self.slot_ns
    }
}
