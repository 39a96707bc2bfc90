//! What some faults have in common, added up.

use std::cmp::Reverse;

use fault_trace_common::{
    Class, Confidence,
    phase::{self, MEASURED, Spent},
};
use serde::{Serialize, Serializer};

use super::buckets::Buckets;
use crate::{Sampling, Tally, resident::Resident, sampling::Estimated};
use fault_trace_model::{ClassTotals, Fault, Field, Fields};

/// A group of faults.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Group {
    pub(crate) count: u64,
    inferred: u64,
    major: u64,
    untimed: u64,
    pages: u64,
    pub(super) sum_ns: u64,
    min_ns: Option<u64>,
    max_ns: Option<u64>,
    phases_ns: Spent,
    latencies: Buckets,
    pub(super) resident: Resident,
    /// In the order in which they were first seen.
    classes: Vec<(Class, u64)>,
    /// Lowest and highest offset in a file.
    pub(crate) span: Option<(u64, u64)>,
    /// Of the newest fault that has one.
    pub(crate) mapping_id: Option<u32>,
}

impl Group {
    /// What is added up of a fault.
    pub(super) const FIELDS: Fields = Resident::FIELDS.and(Fields::of(&[
        Field::Class,
        Field::Confidence,
        Field::Evidence,
        Field::Latency,
        Field::Mapping,
        Field::Pages,
        Field::Phases,
    ]));

    /// Adds a fault at `position` of a file.
    pub(super) fn fault(&mut self, fault: &Fault, resident: Resident, position: Option<u64>) {
        self.count += 1;
        self.inferred += u64::from(fault.confidence == Confidence::Inferred);
        self.major += u64::from(fault.is_major());
        self.pages += u64::from(fault.pages);
        self.resident += resident;
        self.mapping_id = fault.mapping_id.or(self.mapping_id);
        if let Some(position) = position {
            self.reach(position, position);
        }
        self.class(fault.class, 1);
        match fault.latency_ns {
            None => self.untimed += 1,
            Some(ns) => {
                self.sum_ns = self.sum_ns.saturating_add(ns);
                self.min_ns = Some(self.min_ns.map_or(ns, |min_ns| min_ns.min(ns)));
                self.max_ns = self.max_ns.max(Some(ns));
                if fault.phases_ns != [0; MEASURED] {
                    phase::add(&mut self.phases_ns, &fault.phases_ns);
                }
                self.latencies.count(ns);
            }
        }
    }

    /// Adds the faults of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.inferred += other.inferred;
        self.major += other.major;
        self.untimed += other.untimed;
        self.pages += other.pages;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.min_ns = self.min_ns.into_iter().chain(other.min_ns).min();
        self.max_ns = self.max_ns.max(other.max_ns);
        phase::add(&mut self.phases_ns, &other.phases_ns);
        self.resident += other.resident;
        self.mapping_id = other.mapping_id.or(self.mapping_id);
        if let Some((low, high)) = other.span {
            self.reach(low, high);
        }
        for &(class, count) in &other.classes {
            self.class(class, count);
        }
        for (bucket, count) in other.latencies.filled() {
            self.latencies.add(bucket, count);
        }
    }

    fn reach(&mut self, low: u64, high: u64) {
        self.span = Some(match self.span {
            None => (low, high),
            Some((lowest, highest)) => (lowest.min(low), highest.max(high)),
        });
    }

    fn class(&mut self, class: Class, count: u64) {
        match self.classes.iter_mut().find(|(known, _)| *known == class) {
            Some((_, sum)) => *sum += count,
            None => self.classes.push((class, count)),
        }
    }

    /// Faults of that class.
    pub(crate) fn of_class(&self, class: Class) -> u64 {
        let mut classes = self.classes.iter();
        classes
            .find(|(known, _)| *known == class)
            .map_or(0, |&(_, count)| count)
    }

    pub(super) fn p99(&self) -> u64 {
        self.latencies
            .p99(self.min_ns.unwrap_or(0), self.max_ns.unwrap_or(0))
    }

    /// The figures that are shown.
    pub(super) fn figures(&self, page_size_bytes: u64, sampling: Option<Sampling>) -> Figures {
        let totals = ClassTotals {
            inferred: self.inferred,
            major: self.major,
            untimed: self.untimed,
            pages: self.pages,
            sum_ns: self.sum_ns,
            min_ns: self.min_ns,
            max_ns: self.max_ns,
            phases_ns: self.phases_ns,
            buckets: self.latencies.to_vec(),
            class: Class::Unknown,
        };
        let mut classes = self.classes.clone();
        classes.sort_by_key(|&(class, count)| (Reverse(count), class));
        let tally = Tally::new([&totals]);
        Figures {
            estimated: sampling.map(|sampling| sampling.estimate(&tally)),
            tally,
            resident: self.resident,
            resident_bytes: self.resident.pages().saturating_mul(page_size_bytes),
            classes,
        }
    }
}

/// What is known of some faults together.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Figures {
    #[serde(flatten)]
    pub tally: Tally,
    /// How many pages they made resident.
    pub resident: Resident,
    /// The same in bytes.
    pub resident_bytes: u64,
    /// What they stand for, where they are a random sample of the run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated: Option<Estimated>,
    /// The faults of each class, the most frequent first.
    #[serde(serialize_with = "as_map")]
    pub classes: Vec<(Class, u64)>,
}

fn as_map<S: Serializer>(classes: &[(Class, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(classes.iter().map(|(class, count)| (class, count)))
}
