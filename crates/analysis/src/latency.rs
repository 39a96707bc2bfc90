//! Quantiles from the kernel's log-linear buckets.

use fault_trace_common::histogram::{bucket_high, bucket_low};
use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

/// Latencies beyond 2^40 ns share the last bucket; the histogram reaches far enough for its stand-in.
const HIGHEST_NS: u64 = 1 << 42;
/// Two digits split a power of two into 128: finer than, and aligned to, the kernel's 16. Some 40 kB.
const DIGITS: u8 = 2;

/// How long faults took, ns. `sum`, `min`, `mean` and `max` are exact. A quantile lies in the same
/// bucket as the exact one, so it is at most 1/16 (6.25 %) off, below 2^40 ns (18 minutes).
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Latency {
    pub sum: u64,
    pub min: u64,
    /// Rounded to a tenth of a ns.
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Latency {
    /// From the count of each bucket and the exact `sum`, `min` and `max`; `None` without a fault.
    #[must_use]
    pub fn new(buckets: &[u64], sum: u64, min: Option<u64>, max: Option<u64>) -> Option<Self> {
        let count = fault_trace_model::totals::saturating_sum(buckets.iter().copied());
        let first = buckets.iter().position(|&count| count > 0)?;
        let last = buckets.iter().rposition(|&count| count > 0)?;
        let min = min.unwrap_or(bucket_low(first));
        let max = max.unwrap_or(bucket_low(last)).max(min);
        let histogram = histogram(buckets, min, max).ok()?;
        let at = |quantile| histogram.value_at_quantile(quantile).clamp(min, max);
        Some(Self {
            sum,
            min,
            mean: (sum as f64 / count as f64 * 10.0).round() / 10.0,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max,
        })
    }
}

/// Where the faults of each filled bucket are taken to stand, ns, and how many they are: the middle of
/// that part of the bucket that lies within `min..=max`, ns.
pub fn middles(buckets: &[u64], min: u64, max: u64) -> impl Iterator<Item = (u64, u64)> {
    let filled = buckets.iter().enumerate().filter(|(_, count)| **count > 0);
    filled.map(move |(bucket, &count)| {
        let low = bucket_low(bucket).max(min);
        let high = bucket_high(bucket).min(max).max(low);
        (low.midpoint(high), count)
    })
}

/// The buckets as an HDR histogram, each fault where [`middles`] has it.
///
/// # Errors
/// None for the constants used here; the library's constructor asks for it.
pub fn histogram(buckets: &[u64], min: u64, max: u64) -> Result<Histogram<u64>, CreationError> {
    let mut histogram = Histogram::new_with_bounds(1, HIGHEST_NS, DIGITS)?;
    // The library adds the counts up without a look at the bound.
    let mut room = u64::MAX;
    for (ns, count) in middles(buckets, min, max) {
        let count = count.min(room);
        room -= count;
        histogram.saturating_record_n(ns, count);
    }
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_common::histogram::{BUCKETS, bucket_of};
    use proptest::prelude::*;

    fn latency(values: &[u64]) -> Option<Latency> {
        let mut buckets = vec![0; BUCKETS];
        for &value in values {
            buckets[bucket_of(value)] += 1;
        }
        Latency::new(
            &buckets,
            values.iter().sum(),
            values.iter().min().copied(),
            values.iter().max().copied(),
        )
    }

    proptest! {
        #[test]
        fn a_quantile_lies_in_the_bucket_of_the_exact_one(
            mut values in prop::collection::vec((0..40_u32).prop_flat_map(|bits| 0..2_u64 << bits), 1..2000)
        ) {
            let latency = latency(&values).expect("there are values");
            values.sort_unstable();
            for (quantile, value) in [
                (0.5, latency.p50),
                (0.9, latency.p90),
                (0.99, latency.p99),
                (0.999, latency.p999),
            ] {
                let rank = (quantile * values.len() as f64).ceil() as usize;
                let exact = values[rank - 1];
                prop_assert_eq!(bucket_of(value), bucket_of(exact), "{} for {}", value, exact);
            }
            prop_assert!(latency.min <= latency.p50 && latency.p999 <= latency.max);
        }
    }

    #[test]
    fn equal_latencies_give_that_latency() {
        let latency = latency(&[1234; 10]).expect("there are values");
        assert_eq!((latency.p50, latency.p999, latency.max), (1234, 1234, 1234));
        assert!((latency.mean - 1234.0).abs() < f64::EPSILON);
    }

    #[test]
    fn contradictory_totals_do_not_panic() {
        let mut buckets = vec![0; BUCKETS];
        buckets[BUCKETS - 1] = u64::MAX / 2;
        buckets[3] = 1;
        assert!(Latency::new(&buckets, 1, Some(u64::MAX), Some(0)).is_some());
        assert_eq!(Latency::new(&[0; BUCKETS], 7, Some(1), Some(2)), None);
    }
}
