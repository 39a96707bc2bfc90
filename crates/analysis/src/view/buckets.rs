//! A latency histogram that is small while few of its buckets are filled.

use fault_trace_common::histogram::{BUCKETS, bucket_high, bucket_low, bucket_of};

/// Beyond so many filled buckets, an array is faster and not much larger.
const SPARSE: usize = 12;

/// Faults a latency bucket, see `fault_trace_common::histogram`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Buckets {
    /// Bucket and count, in order.
    Sparse(Vec<(u16, u64)>),
    /// The counts from the first filled bucket to the last.
    Dense(Range),
}

/// Counts of neighbouring buckets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Range {
    first: usize,
    counts: Vec<u64>,
}

impl Default for Buckets {
    fn default() -> Self {
        Self::Sparse(Vec::new())
    }
}

impl Buckets {
    /// Counts one fault of that latency.
    pub(super) fn count(&mut self, latency_ns: u64) {
        self.add(bucket_of(latency_ns), 1);
    }

    pub(super) fn add(&mut self, bucket: usize, count: u64) {
        match self {
            Self::Dense(range) => range.add(bucket, count),
            Self::Sparse(filled) => {
                match filled.binary_search_by_key(&bucket, |&(bucket, _)| bucket.into()) {
                    Ok(index) => filled[index].1 += count,
                    Err(index) if filled.len() < SPARSE => {
                        // BUCKETS is far below 2^16.
                        filled.insert(index, (bucket as u16, count));
                    }
                    Err(_) => {
                        let mut range = Range::default();
                        range.add(bucket, count);
                        for &(bucket, count) in &*filled {
                            range.add(bucket.into(), count);
                        }
                        *self = Self::Dense(range);
                    }
                }
            }
        }
    }

    /// The filled buckets, in order.
    pub(super) fn filled(&self) -> Box<dyn Iterator<Item = (usize, u64)> + '_> {
        match self {
            Self::Sparse(filled) => Box::new(
                filled
                    .iter()
                    .map(|&(bucket, count)| (usize::from(bucket), count)),
            ),
            Self::Dense(range) => Box::new(
                (range.first..)
                    .zip(range.counts.iter().copied())
                    .filter(|&(_, count)| count > 0),
            ),
        }
    }

    /// Every bucket.
    pub(super) fn to_vec(&self) -> Vec<u64> {
        let mut buckets = vec![0; BUCKETS];
        for (bucket, count) in self.filled() {
            buckets[bucket] = count;
        }
        buckets
    }

    /// The 99th percentile as good as a bucket tells, ns: for sorting, without a histogram's cost.
    pub(super) fn p99(&self, min_ns: u64, max_ns: u64) -> u64 {
        let count =
            fault_trace_model::totals::saturating_sum(self.filled().map(|(_, count)| count));
        let rank = count - count / 100;
        let mut below = 0;
        for (bucket, count) in self.filled() {
            below += count;
            if below >= rank {
                let low = bucket_low(bucket).max(min_ns);
                return low.midpoint(bucket_high(bucket).min(max_ns).max(low));
            }
        }
        0
    }
}

impl Range {
    fn add(&mut self, bucket: usize, count: u64) {
        let place = bucket.wrapping_sub(self.first);
        match self.counts.get_mut(place) {
            Some(sum) => *sum += count,
            None => self.reach(bucket, count),
        }
    }

    /// Adds to a bucket beyond either end.
    #[cold]
    fn reach(&mut self, bucket: usize, count: u64) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        let last = (self.first + self.counts.len()).max(bucket + 1);
        let first = self.first.min(bucket);
        let mut counts = vec![0; last - first];
        let old = self.first - first;
        counts[old..old + self.counts.len()].copy_from_slice(&self.counts);
        counts[bucket - first] += count;
        *self = Self { first, counts };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn few_or_many_buckets_count_the_same(values in prop::collection::vec((0..44_u32).prop_flat_map(|bits| 0..2_u64 << bits), 0..400)) {
            let mut buckets = Buckets::default();
            let mut expected = vec![0_u64; BUCKETS];
            for &value in &values {
                buckets.count(value);
                expected[bucket_of(value)] += 1;
            }
            let filled = expected.iter().filter(|&&count| count > 0).count();
            prop_assert_eq!(matches!(buckets, Buckets::Dense(_)), filled > SPARSE);
            prop_assert_eq!(buckets.to_vec(), expected);
        }
    }
}
