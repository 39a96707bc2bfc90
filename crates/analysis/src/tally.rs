//! The totals of some classes together.

use fault_trace_common::{histogram::BUCKETS, phase::Phase};
use serde::{Serialize, Serializer};

use super::latency::Latency;
use fault_trace_model::{ClassTotals, totals::saturating_sum};

/// Totals of one class, of a family or of all faults.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Tally {
    pub count: u64,
    pub exact: u64,
    pub inferred: u64,
    /// Counted by the kernel as major.
    pub major: u64,
    /// Faults without a known latency.
    pub untimed: u64,
    /// Base pages allocated.
    pub pages: u64,
    /// Where the known latencies went, by name of the phase, ns; together their sum.
    #[serde(serialize_with = "phases")]
    pub phases_ns: [u64; Phase::ALL.len()],
    /// `None` if no latency is known.
    pub latency_ns: Option<Latency>,
    /// Faults a latency bucket, see `fault_trace_common::histogram`.
    #[serde(skip)]
    pub buckets: Vec<u64>,
}

impl Tally {
    /// The sum of `classes`.
    #[must_use]
    pub fn new<'a>(classes: impl IntoIterator<Item = &'a ClassTotals>) -> Self {
        let mut sum = Self::empty();
        let (mut sum_ns, mut min_ns, mut max_ns) = (0_u64, None, None);
        for class in classes {
            for (all, one) in [
                (&mut sum.count, class.count()),
                (&mut sum.inferred, class.inferred),
                (&mut sum.major, class.major),
                (&mut sum.untimed, class.untimed),
                (&mut sum.pages, class.pages),
            ] {
                *all = all.saturating_add(one);
            }
            sum_ns = sum_ns.saturating_add(class.sum_ns);
            min_ns = min_ns.into_iter().chain(class.min_ns).min();
            max_ns = max_ns.max(class.max_ns);
            for (all, one) in sum.phases_ns.iter_mut().zip(&class.phases_ns) {
                *all = all.saturating_add(*one);
            }
            for (all, one) in sum.buckets.iter_mut().zip(&class.buckets) {
                *all = all.saturating_add(*one);
            }
        }
        let measured = saturating_sum(sum.phases_ns);
        sum.phases_ns[Phase::Cpu as usize] = sum_ns.saturating_sub(measured);
        sum.exact = sum.count.saturating_sub(sum.inferred);
        sum.latency_ns = Latency::new(&sum.buckets, sum_ns, min_ns, max_ns);
        sum
    }

    fn empty() -> Self {
        Self {
            count: 0,
            exact: 0,
            inferred: 0,
            major: 0,
            untimed: 0,
            pages: 0,
            phases_ns: [0; Phase::ALL.len()],
            latency_ns: None,
            buckets: vec![0; BUCKETS],
        }
    }

    /// The sum of the known latencies, ns.
    #[must_use]
    pub fn time_ns(&self) -> u64 {
        self.latency_ns.map_or(0, |latency| latency.sum)
    }
}

pub(super) fn phases<S: Serializer>(
    spent_ns: &[u64; Phase::ALL.len()],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Phase::ALL.iter().map(|phase| phase.name()).zip(spent_ns))
}
