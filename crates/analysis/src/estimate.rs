//! What the faults of a run would have cost without the tracer: an estimate, beside the raw figure.

use serde::Serialize;

use super::Tally;
use fault_trace_model::{Calibration, calibration::Spread};

/// The raw latencies, and the whole faults as a calibration estimates them. It was made with minor
/// faults on anonymous memory; what it says of others is no more than that they enter and leave the
/// kernel alike.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Estimate {
    /// How the run was traced, as in the calibration.
    pub mode: String,
    /// Faults with a known latency.
    pub faults: u64,
    /// What is added to each latency, ns.
    pub correction_ns: Spread,
    /// Sum of the latencies, START to END, ns.
    pub raw_ns: u64,
    /// The sum with the correction (its median), ns; at least 0.
    pub whole_ns: u64,
    /// Both a fault, rounded to a tenth of a ns.
    pub raw_mean_ns: f64,
    pub whole_mean_ns: f64,
}

impl Estimate {
    /// For the faults of `total`, by a calibration of the way in which they were traced; `None` without
    /// a known latency.
    #[must_use]
    pub fn new(total: &Tally, calibration: &Calibration) -> Option<Self> {
        let [mode] = calibration.modes.as_slice() else {
            return None;
        };
        let faults = total.count.saturating_sub(total.untimed);
        if faults == 0 {
            return None;
        }
        let raw_ns = total.time_ns();
        let correction_ns = i128::from(mode.correction_ns.median) * i128::from(faults);
        let whole_ns = (i128::from(raw_ns) + correction_ns).max(0);
        let whole_ns = u64::try_from(whole_ns).unwrap_or(u64::MAX);
        let mean = |sum_ns: u64| (sum_ns as f64 / faults as f64 * 10.0).round() / 10.0;
        Some(Self {
            mode: mode.mode.clone(),
            faults,
            correction_ns: mode.correction_ns,
            raw_ns,
            whole_ns,
            raw_mean_ns: mean(raw_ns),
            whole_mean_ns: mean(whole_ns),
        })
    }
}

/// The median of the latencies in a histogram, spread evenly over the bucket that it lies in, ns.
#[must_use]
pub fn interpolated_median(buckets: &[u64]) -> Option<u64> {
    use fault_trace_common::histogram::{bucket_high, bucket_low};
    let half = fault_trace_model::totals::saturating_sum(buckets.iter().copied()).div_ceil(2);
    let mut before = 0;
    let bucket = buckets.iter().position(|&count| {
        before = count.saturating_add(before);
        before >= half
    });
    let bucket = bucket.filter(|_| half > 0)?;
    let (low, high) = (bucket_low(bucket), bucket_high(bucket));
    let rank = half - (before - buckets[bucket]);
    let into = (high - low) as f64 * (rank as f64 / buckets[bucket] as f64);
    // The last bucket reaches to where a float no longer tells one number from the next.
    Some(low.saturating_add(into.round() as u64))
}

#[cfg(test)]
mod tests {
    use fault_trace_common::histogram::{BUCKETS, bucket_of};
    use proptest::prelude::*;

    use super::*;
    use crate::Report;
    use fault_trace_model::sample;

    #[test]
    fn the_correction_counts_once_for_each_fault_with_a_latency() {
        let mut run = sample::database();
        run.calibration = Some(sample::calibration(-200));
        let report = Report::new(&run);
        let estimate = report.estimate.expect("there is a calibration");
        assert_eq!(estimate.faults, report.total.count - 4, "four are untimed");
        assert_eq!(estimate.raw_ns, report.total.time_ns());
        assert_eq!(estimate.raw_ns - estimate.whole_ns, 200 * estimate.faults);
    }

    #[test]
    fn no_estimate_is_less_than_nothing() {
        let mut run = sample::database();
        run.calibration = Some(sample::calibration(-1_000_000_000));
        let estimate = Report::new(&run).estimate.expect("there is a calibration");
        assert_eq!(estimate.whole_ns, 0);
        run.totals.classes.clear();
        assert_eq!(Report::new(&run).estimate, None, "without a fault");
    }

    proptest! {
        #[test]
        fn the_median_lies_in_the_bucket_of_the_exact_one(
            mut values in prop::collection::vec(0..1_u64 << 40, 1..200)
        ) {
            let mut buckets = vec![0; BUCKETS];
            for &value in &values {
                buckets[bucket_of(value)] += 1;
            }
            values.sort_unstable();
            let exact = values[(values.len() - 1) / 2];
            let median = interpolated_median(&buckets).expect("there are values");
            prop_assert_eq!(bucket_of(median), bucket_of(exact));
        }
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(interpolated_median(&[0; BUCKETS]), None);
    }
}
