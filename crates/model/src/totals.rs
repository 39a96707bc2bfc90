//! Totals of the eBPF programs: exact even if single events were dropped.

pub use super::counters::CounterTotals;
pub use fault_trace_common::wire::Counts;
use fault_trace_common::{
    Class, Confidence, Evidence,
    histogram::{BUCKETS, bucket_of},
    phase::{self, MEASURED, Spent},
};
use serde::{Deserialize, Deserializer, Serialize};

use super::{event::Fault, json};

/// The sum of counts, which a damaged recording may have made up.
pub fn saturating_sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

/// The totals of one class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClassTotals {
    #[serde(deserialize_with = "json::class_or_unknown")]
    pub class: Class,
    pub inferred: u64,
    pub major: u64,
    /// Faults without a known latency; the others are in `buckets`.
    pub untimed: u64,
    /// Base pages allocated.
    pub pages: u64,
    /// Sum of the known latencies, ns.
    pub sum_ns: u64,
    /// Of the known latencies, ns; `None` if there is none.
    pub min_ns: Option<u64>,
    pub max_ns: Option<u64>,
    /// Sum over the known latencies of what was not the CPU's, by number of the phase, ns.
    #[serde(with = "json::phases", default)]
    pub phases_ns: Spent,
    /// Faults a latency bucket, see `fault_trace_common::histogram`; `BUCKETS` long.
    #[serde(with = "json::buckets")]
    pub buckets: Vec<u64>,
}

impl ClassTotals {
    /// The totals of a class of which nothing was seen.
    #[must_use]
    pub fn empty(class: Class) -> Self {
        Self {
            class,
            inferred: 0,
            major: 0,
            untimed: 0,
            pages: 0,
            sum_ns: 0,
            min_ns: None,
            max_ns: None,
            phases_ns: [0; MEASURED],
            buckets: vec![0; BUCKETS],
        }
    }

    /// Faults with a known latency.
    #[must_use]
    #[inline]
    pub fn timed(&self) -> u64 {
        saturating_sum(self.buckets.iter().copied())
    }

    /// All faults of the class.
    #[must_use]
    #[inline]
    pub fn count(&self) -> u64 {
        self.timed().saturating_add(self.untimed)
    }

    /// Adds a fault, whatever its class.
    #[inline]
    pub fn add_fault(&mut self, fault: &Fault) {
        self.inferred += u64::from(fault.confidence == Confidence::Inferred);
        self.major += u64::from(fault.is_major());
        self.pages += u64::from(fault.pages);
        let Some(latency_ns) = fault.latency_ns else {
            self.untimed += 1;
            return;
        };
        self.buckets[bucket_of(latency_ns)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(latency_ns);
        self.min_ns = self.min_ns.into_iter().chain([latency_ns]).min();
        self.max_ns = self.max_ns.max(Some(latency_ns));
        phase::add(&mut self.phases_ns, &fault.phases_ns);
    }

    /// Adds what `other` counted; the class stays this one's.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.inferred, other.inferred),
            (&mut self.major, other.major),
            (&mut self.untimed, other.untimed),
            (&mut self.pages, other.pages),
            (&mut self.sum_ns, other.sum_ns),
        ] {
            *sum = sum.saturating_add(more);
        }
        phase::add(&mut self.phases_ns, &other.phases_ns);
        for (sum, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum = sum.saturating_add(*more);
        }
        self.min_ns = self.min_ns.into_iter().chain(other.min_ns).min();
        self.max_ns = self.max_ns.max(other.max_ns);
    }
}

/// Adds what `more` counted.
pub fn add_counts(sum: &mut Counts, more: &Counts) {
    for (sum, more) in [
        (&mut sum.started, more.started),
        (&mut sum.minor, more.minor),
        (&mut sum.major, more.major),
        (&mut sum.failed, more.failed),
        (&mut sum.recorded, more.recorded),
        (&mut sum.dropped, more.dropped),
        (&mut sum.filtered, more.filtered),
        (&mut sum.gup, more.gup),
        (&mut sum.latency_ns, more.latency_ns),
        (&mut sum.off_cpu_ns, more.off_cpu_ns),
        (&mut sum.left_out, more.left_out),
        (&mut sum.left_out_major, more.left_out_major),
        (&mut sum.left_out_failed, more.left_out_failed),
        (&mut sum.left_out_ns, more.left_out_ns),
        (&mut sum.kernel_minor, more.kernel_minor),
        (&mut sum.kernel_major, more.kernel_major),
        (&mut sum.gup_major, more.gup_major),
        (&mut sum.gup_zeroed, more.gup_zeroed),
        (&mut sum.gup_copied, more.gup_copied),
        (&mut sum.gup_file, more.gup_file),
        (&mut sum.gup_shared, more.gup_shared),
        (&mut sum.gup_zeroed_pages, more.gup_zeroed_pages),
        (&mut sum.gup_shared_pages, more.gup_shared_pages),
    ] {
        *sum = sum.saturating_add(more);
    }
}

/// The totals of one process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessTotals {
    pub pid: u32,
    /// The newest name; raw bytes.
    #[serde(with = "json::comm")]
    pub comm: Vec<u8>,
    /// `kernel_minor` and `kernel_major` are as far as the eBPF programs read them;
    /// [`ProcessTotals::kernel`] is the whole truth.
    pub counts: Counts,
    /// The kernel's own minor and major counts over the run; `None` where they cannot be known.
    pub kernel: Option<KernelCounts>,
    /// User and system time over the run, ns; `None` where it cannot be known.
    #[serde(default)]
    pub cpu_ns: Option<u64>,
}

/// The totals of one thread that was alive when tracing stopped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ThreadTotals {
    pub pid: u32,
    pub tid: u32,
    /// The newest name; raw bytes.
    #[serde(with = "json::comm")]
    pub comm: Vec<u8>,
    pub started: u64,
    /// Sum of the known latencies, ns.
    pub latency_ns: u64,
    /// What passed the filters; `None` in older recordings.
    #[serde(default)]
    pub passed: Option<Passed>,
    /// User and system time over the run, ns; `None` where it cannot be known.
    pub cpu_ns: Option<u64>,
}

/// The closed faults that passed the filters of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Passed {
    pub faults: u64,
    /// Counted by the kernel as major.
    pub major: u64,
    /// Closed without END.
    pub failed: u64,
    /// Sum of the known latencies, ns.
    pub latency_ns: u64,
    /// Of that, the time in phases other than the CPU's, ns.
    pub off_cpu_ns: u64,
}

impl Passed {
    /// Those of a thread, a process or a run.
    #[must_use]
    pub const fn of(counts: &Counts) -> Self {
        let closed = counts
            .minor
            .saturating_add(counts.major)
            .saturating_add(counts.failed);
        Self {
            faults: closed.saturating_sub(counts.left_out),
            major: counts.major.saturating_sub(counts.left_out_major),
            failed: counts.failed.saturating_sub(counts.left_out_failed),
            latency_ns: counts.latency_ns.saturating_sub(counts.left_out_ns),
            off_cpu_ns: counts.off_cpu_ns,
        }
    }

    /// Counts a fault.
    pub fn add(&mut self, fault: &Fault) {
        self.faults += 1;
        self.major += u64::from(fault.is_major());
        self.failed += u64::from(!fault.evidence.any(Evidence::ENDED));
        if let Some(latency_ns) = fault.latency_ns {
            self.latency_ns = self.latency_ns.saturating_add(latency_ns);
            let off_cpu_ns = fault.phases_ns.iter().sum::<u64>();
            self.off_cpu_ns = self.off_cpu_ns.saturating_add(off_cpu_ns);
        }
    }

    /// Takes some of them away again.
    pub const fn take_away(&mut self, others: &Self) {
        self.faults = self.faults.saturating_sub(others.faults);
        self.major = self.major.saturating_sub(others.major);
        self.failed = self.failed.saturating_sub(others.failed);
        self.latency_ns = self.latency_ns.saturating_sub(others.latency_ns);
        self.off_cpu_ns = self.off_cpu_ns.saturating_sub(others.off_cpu_ns);
    }

    /// The part of the latencies that was the CPU's own, ns.
    #[must_use]
    pub const fn on_cpu_ns(&self) -> u64 {
        self.latency_ns.saturating_sub(self.off_cpu_ns)
    }
}

/// The kernel's own fault counters over the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KernelCounts {
    pub minor: u64,
    pub major: u64,
}

impl KernelCounts {
    pub const NONE: Self = Self { minor: 0, major: 0 };
    /// No upper bound.
    pub const MAX: Self = Self {
        minor: u64::MAX,
        major: u64::MAX,
    };

    /// The sum of two counts.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            minor: self.minor.saturating_add(other.minor),
            major: self.major.saturating_add(other.major),
        }
    }

    /// What this counts beyond `other`, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            minor: self.minor.saturating_sub(other.minor),
            major: self.major.saturating_sub(other.major),
        }
    }
}

/// Everything that the eBPF programs counted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Sum over all processes.
    pub counts: Counts,
    /// The classes that were seen, in the order of `Class::ALL`.
    #[serde(deserialize_with = "distinct_classes")]
    pub classes: Vec<ClassTotals>,
    /// Ordered by pid.
    pub processes: Vec<ProcessTotals>,
    /// Threads that were alive when tracing stopped, most fault time first; of many only the first.
    #[serde(default)]
    pub threads: Vec<ThreadTotals>,
    pub counters: CounterTotals,
}

/// The totals of classes, one entry a class: several unknown ones become one.
fn distinct_classes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ClassTotals>, D::Error> {
    let mut classes: Vec<ClassTotals> = Vec::new();
    for totals in Vec::<ClassTotals>::deserialize(deserializer)? {
        match classes.iter_mut().find(|other| other.class == totals.class) {
            Some(other) => other.add(&totals),
            None => classes.push(totals),
        }
    }
    classes.sort_by_key(|totals| totals.class);
    Ok(classes)
}
