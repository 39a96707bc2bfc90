//! What a fault costs as the program sees it, against what the tracer reports: measured, not traced.

use serde::{Deserialize, Serialize};

/// Measured on one machine, under the load that it had, with minor faults on anonymous memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Calibration {
    /// The CPU of the thread that took the faults.
    pub cpu: u32,
    /// How often each mode was measured.
    pub rounds: u32,
    /// Faults a round.
    pub faults: u32,
    /// What reading the clock costs, ns; it is taken off `whole_ns`.
    pub clock_ns: u64,
    /// The whole fault without a tracer, ns: the clock before and after the access.
    pub untraced_ns: Spread,
    pub modes: Vec<ModeCost>,
}

/// What one way of tracing costs and sees. Each is the spread over the rounds of a round's median, or of
/// its difference to another median of the same round.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ModeCost {
    /// The command, as in `record -g`.
    pub mode: String,
    /// The whole fault while traced, ns.
    pub whole_ns: Spread,
    /// What tracing adds to it, ns.
    pub added_ns: Spread,
    /// The latency that is reported, START to END, ns.
    pub reported_ns: Spread,
    /// The whole fault while traced without what is reported, ns.
    pub left_out_ns: Spread,
    /// The whole fault without a tracer less the reported latency, ns: added to a latency it estimates
    /// the whole fault, had it not been traced.
    pub correction_ns: Spread,
}

impl ModeCost {
    /// The share of the whole fault, as traced, that START to END covers.
    #[must_use]
    pub fn covered(&self) -> f64 {
        self.reported_ns.median as f64 / self.whole_ns.median.max(1) as f64
    }
}

/// The median and the quartiles of some values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    pub lower: i64,
    pub median: i64,
    pub upper: i64,
}

impl Spread {
    /// Of values in any order; the nearest ranks. `None` without a value.
    #[must_use]
    pub fn of(mut values: Vec<i64>) -> Option<Self> {
        values.sort_unstable();
        let last = values.len().checked_sub(1)?;
        let at = |quarters: usize| values[(last * quarters + 2) / 4];
        Some(Self {
            lower: at(1),
            median: at(2),
            upper: at(3),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_moves_neither_the_median_nor_the_quartiles() {
        let spread = Spread::of(vec![3, 1_000_000, 1, 2, 4]);
        let expected = Spread {
            lower: 2,
            median: 3,
            upper: 4,
        };
        assert_eq!(spread, Some(expected));
        assert_eq!(Spread::of(Vec::new()), None);
        assert_eq!(Spread::of(vec![7]).map(|spread| spread.median), Some(7));
    }
}
