//! Changes that refining makes to the totals of the eBPF programs.

use std::collections::BTreeMap;

use fault_trace_common::{Class, Confidence, Verdict};

use super::{ClassTotals, Fault, Totals};

/// The faults that were refined, by class before and after.
///
/// Faults that were not recorded keep the class of the eBPF programs, so that the totals stay exact.
#[derive(Clone, Debug)]
pub struct Refinement {
    /// By number of the class before and after.
    moved: Box<[[Option<Box<Moved>>; Class::COUNT]; Class::COUNT]>,
    /// Smallest and largest known latency of what was recorded, by number of the refined class, ns.
    extremes: [Option<(u64, u64)>; Class::COUNT],
}

#[derive(Clone, Debug)]
struct Moved {
    totals: ClassTotals,
    /// How many of them were inferred before.
    inferred_before: u64,
}

impl Default for Refinement {
    fn default() -> Self {
        Self {
            moved: Box::new([const { [const { None }; Class::COUNT] }; Class::COUNT]),
            extremes: [None; Class::COUNT],
        }
    }
}

impl Refinement {
    /// Takes in a refined fault and what it was before.
    #[inline]
    pub fn add(&mut self, before: Verdict, fault: &Fault) {
        if let Some(latency_ns) = fault.latency_ns {
            let (min, max) =
                self.extremes[fault.class as usize].get_or_insert((latency_ns, latency_ns));
            *min = latency_ns.min(*min);
            *max = latency_ns.max(*max);
        }
        if (before.class, before.confidence) == (fault.class, fault.confidence) {
            return;
        }
        let moved = &mut self.moved[before.class as usize][fault.class as usize];
        let moved = moved.get_or_insert_with(|| {
            Box::new(Moved {
                totals: ClassTotals::empty(fault.class),
                inferred_before: 0,
            })
        });
        moved.inferred_before += u64::from(before.confidence == Confidence::Inferred);
        moved.totals.add_fault(fault);
    }

    /// Moves the refined faults from class to class.
    pub fn apply(&self, totals: &mut Totals) {
        let recorded_all = totals.counts.dropped == 0 && totals.counts.filtered == 0;
        let mut classes: BTreeMap<Class, ClassTotals> = totals
            .classes
            .drain(..)
            .map(|class| (class.class, class))
            .collect();
        let pairs = Class::ALL
            .into_iter()
            .flat_map(|before| Class::ALL.map(|after| (before, after)));
        for (before, after) in pairs {
            let Some(moved) = &self.moved[before as usize][after as usize] else {
                continue;
            };
            if let Some(class) = classes.get_mut(&before) {
                subtract(class, moved);
            }
            let class = classes
                .entry(after)
                .or_insert_with(|| ClassTotals::empty(after));
            class.add(&moved.totals);
        }
        for (name, class) in &mut classes {
            let known = self.extremes[*name as usize];
            let (min, max) = known.unzip();
            if recorded_all {
                (class.min_ns, class.max_ns) = (min, max);
            } else {
                // The eBPF programs' extremes may belong to a fault that moved away: still bounds.
                class.min_ns = class.min_ns.into_iter().chain(min).min();
                class.max_ns = class.max_ns.max(max);
            }
        }
        totals.classes = classes
            .into_values()
            .filter(|class| class.count() != 0)
            .collect();
    }
}

fn subtract(class: &mut ClassTotals, moved: &Moved) {
    let totals = &moved.totals;
    class.inferred = class.inferred.saturating_sub(moved.inferred_before);
    class.major = class.major.saturating_sub(totals.major);
    class.untimed = class.untimed.saturating_sub(totals.untimed);
    class.pages = class.pages.saturating_sub(totals.pages);
    class.sum_ns = class.sum_ns.saturating_sub(totals.sum_ns);
    for (sum, moved) in class.phases_ns.iter_mut().zip(&totals.phases_ns) {
        *sum = sum.saturating_sub(*moved);
    }
    for (bucket, moved) in class.buckets.iter_mut().zip(&totals.buckets) {
        *bucket = bucket.saturating_sub(*moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_common::{ErrorCode, Evidence, histogram::bucket_of};
    use proptest::prelude::*;

    fn arbitrary_fault() -> impl Strategy<Value = (Fault, Verdict)> {
        let class = || prop::sample::select(Class::ALL.as_slice());
        let confidence = || prop::sample::select(vec![Confidence::Exact, Confidence::Inferred]);
        let latency = prop::option::of(0..1_000_000_u64);
        (
            class(),
            class(),
            confidence(),
            confidence(),
            latency,
            0..600_u32,
            any::<bool>(),
        )
            .prop_map(
                |(before, after, sure_before, sure_after, latency_ns, pages, major)| {
                    let fault = Fault {
                        time_ns: 0,
                        latency_ns,
                        address: 0,
                        ip: 0,
                        evidence: Evidence::of(if major { Evidence::MAJOR } else { 0 }),
                        error_code: ErrorCode(0),
                        pid: 1,
                        tid: 1,
                        cpu: 0,
                        pages,
                        class: after,
                        confidence: sure_after,
                        ..Fault::BLANK
                    };
                    let before = Verdict {
                        class: before,
                        confidence: sure_before,
                    };
                    (fault, before)
                },
            )
    }

    /// The totals of these faults with the class that `verdict` gives.
    fn totals(
        faults: &[(Fault, Verdict)],
        verdict: impl Fn(&(Fault, Verdict)) -> Verdict,
    ) -> Totals {
        let mut classes = BTreeMap::new();
        for pair in faults {
            let (fault, verdict) = (pair.0, verdict(pair));
            let class = classes
                .entry(verdict.class)
                .or_insert_with(|| ClassTotals::empty(verdict.class));
            class.inferred += u64::from(verdict.confidence == Confidence::Inferred);
            class.major += u64::from(fault.is_major());
            class.pages += u64::from(fault.pages);
            match fault.latency_ns {
                Some(latency_ns) => {
                    class.buckets[bucket_of(latency_ns)] += 1;
                    class.sum_ns += latency_ns;
                    class.min_ns = class.min_ns.into_iter().chain([latency_ns]).min();
                    class.max_ns = class.max_ns.max(Some(latency_ns));
                }
                None => class.untimed += 1,
            }
        }
        Totals {
            classes: classes.into_values().collect(),
            ..Totals::default()
        }
    }

    proptest! {
        #[test]
        fn refined_totals_are_those_of_the_refined_faults(
            faults in prop::collection::vec(arbitrary_fault(), 0..50)
        ) {
            let mut refinement = Refinement::default();
            for (fault, before) in &faults {
                refinement.add(*before, fault);
            }
            let mut refined = totals(&faults, |&(_, before)| before);
            refinement.apply(&mut refined);
            let expected = totals(&faults, |(fault, _)| Verdict {
                class: fault.class,
                confidence: fault.confidence,
            });
            prop_assert_eq!(refined.classes, expected.classes);
        }
    }
}
