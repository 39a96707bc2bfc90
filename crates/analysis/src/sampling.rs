//! What a random sample of the faults stands for.

use serde::Serialize;

use super::{Tally, latency::middles};
use fault_trace_model::{ClassTotals, Run};

/// So many standard errors to each side hold 95 % of the estimates.
const ERRORS_95: f64 = 1.96;
/// Beyond so many, the number of recorded faults is not what the sample would have left.
const ERRORS_DOUBTFUL: f64 = 6.0;

/// A run of which one in so many faults was recorded, at random.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Sampling {
    /// Faults of the run for each that was recorded; both are counted, so this is no estimate.
    pub faults_per_recorded: f64,
    #[serde(skip)]
    recorded: f64,
}

/// What recorded faults stand for in all; of 100 such ranges, about 95 hold the true value.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Estimated {
    pub count: u64,
    /// Half of the range, as a share of `count`.
    pub count_error: f64,
    /// The sum of the known latencies, ns.
    pub latency_ns: u64,
    /// Half of the range, as a share of `latency_ns`.
    pub latency_error: f64,
}

impl Sampling {
    /// `None` unless the recorded faults of `run` are a random sample: they were not chosen by their
    /// latency, too, and none but those left out by the sample are missing.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        let options = &run.options;
        let recorded = run.totals.counts.recorded as f64;
        if options.sample <= 1 || options.min_latency_ns > 0 || recorded == 0.0 {
            return None;
        }
        let counts = run.totals.classes.iter().map(ClassTotals::count);
        let all = fault_trace_model::totals::saturating_sum(counts);
        let expected = all as f64 / f64::from(options.sample);
        let is_doubtful = (recorded - expected).abs() > ERRORS_DOUBTFUL * expected.sqrt();
        (!is_doubtful).then_some(Self {
            faults_per_recorded: (all as f64 / recorded).max(1.0),
            recorded,
        })
    }

    /// What these recorded faults stand for. The errors are those of a sample of this size in which each
    /// fault had the same chance, with latencies as the buckets tell them.
    #[must_use]
    pub fn estimate(self, recorded: &Tally) -> Estimated {
        let each = self.faults_per_recorded;
        let left_out = 1.0 - 1.0 / each;
        let (count, sum_ns) = (recorded.count as f64, recorded.time_ns() as f64);
        let squares: f64 = recorded.latency_ns.map_or(0.0, |latency| {
            middles(&recorded.buckets, latency.min, latency.max)
                .map(|(ns, count)| (ns as f64).powi(2) * count as f64)
                .sum()
        });
        let relative = |squares: f64, sum: f64| {
            // Of recorded faults that are not meant the value is 0.
            let spread = (squares - sum * sum / self.recorded).max(0.0);
            if sum > 0.0 {
                ERRORS_95 * (spread * left_out).sqrt() / sum
            } else {
                0.0
            }
        };
        Estimated {
            count: (count * each).round() as u64,
            count_error: relative(count, count),
            latency_ns: (sum_ns * each).round() as u64,
            latency_error: relative(squares, sum_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use fault_trace_common::{Class, histogram::bucket_of};

    use super::*;
    use fault_trace_model::sample;

    fn tally(latencies_ns: &[u64]) -> Tally {
        let mut class = ClassTotals::empty(Class::AnonAlloc);
        for &ns in latencies_ns {
            class.buckets[bucket_of(ns)] += 1;
            class.sum_ns += ns;
        }
        class.min_ns = latencies_ns.iter().min().copied();
        class.max_ns = latencies_ns.iter().max().copied();
        Tally::new([&class])
    }

    fn run(all: u64, recorded: u64, sample: u32) -> Run {
        let mut class = ClassTotals::empty(Class::AnonAlloc);
        class.untimed = all;
        let mut run = sample::run(vec![class], Vec::new());
        run.totals.counts.recorded = recorded;
        run.options.sample = sample;
        run.options.min_latency_ns = 0;
        run
    }

    #[test]
    fn a_whole_recording_or_one_of_slow_faults_is_no_sample() {
        assert_eq!(Sampling::of(&run(1000, 1000, 1)), None);
        let mut slow = run(1000, 100, 10);
        slow.options.min_latency_ns = 1;
        assert_eq!(Sampling::of(&slow), None);
    }

    #[test]
    fn a_sample_with_holes_is_none() {
        assert!(Sampling::of(&run(10_000, 1_100, 10)).is_some());
        assert_eq!(Sampling::of(&run(10_000, 500, 10)), None);
    }

    #[test]
    fn the_whole_sample_stands_for_the_whole_run() {
        let sampling = Sampling::of(&run(64_500, 1000, 64)).expect("a sample");
        let all = sampling.estimate(&tally(&[1; 1000]));
        assert_eq!(all.count, 64_500);
        // Both numbers were counted.
        assert!(all.count_error < f64::EPSILON);
    }

    /// The last bucket has no end, but no fault in it took for ever.
    #[test]
    fn a_fault_of_hours_leaves_an_error_of_sense() {
        let sampling = Sampling::of(&run(1000, 100, 10)).expect("a sample");
        let estimated = sampling.estimate(&tally(&[1 << 42]));
        assert!(estimated.latency_error < 2.0, "{estimated:?}");
    }

    /// Against what many samples of the same faults show.
    #[test]
    fn nineteen_of_twenty_ranges_hold_the_true_values() {
        let mut random = fastrand::Rng::with_seed(7);
        let latencies_ns: Vec<u64> = (0..20_000).map(|_| 500 + random.u64(0..3_000)).collect();
        // Those that are asked about come first.
        let (meant, _) = latencies_ns.split_at(5_000);
        let (count, sum_ns) = (meant.len() as f64, meant.iter().sum::<u64>() as f64);
        let (mut counts, mut sums) = (0, 0);
        for _ in 0..1000 {
            let drawn: Vec<usize> = (0..latencies_ns.len())
                .filter(|_| random.u32(0..16) == 0)
                .collect();
            let all = run(latencies_ns.len() as u64, drawn.len() as u64, 16);
            let sampling = Sampling::of(&all).expect("a sample");
            let drawn: Vec<u64> = drawn
                .into_iter()
                .filter_map(|i| meant.get(i).copied())
                .collect();
            let estimated = sampling.estimate(&tally(&drawn));
            let holds = |estimate: u64, error: f64, truth: f64| {
                (estimate as f64 - truth).abs() <= error * estimate as f64
            };
            counts += u32::from(holds(estimated.count, estimated.count_error, count));
            sums += u32::from(holds(estimated.latency_ns, estimated.latency_error, sum_ns));
        }
        // 95 % of a thousand, within four standard errors of that.
        assert!((922..=978).contains(&counts), "{counts}");
        assert!((922..=978).contains(&sums), "{sums}");
    }
}
