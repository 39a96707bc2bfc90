//! A filter as a test on recorded faults.

use fault_trace_model::{Fault, Field, Fields};

/// Tests of which every one has to hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FaultFilter {
    tests: Vec<Test>,
    /// The conditions as on the command line.
    pub words: Vec<String>,
}

/// A test of one field; a fault in which it is not known fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Test {
    field: Field,
    values: Values,
}

/// The values that pass.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Values {
    /// First and last.
    Within(u64, u64),
    /// In ascending order.
    OneOf(Vec<u64>),
    /// Numbers below 64, a bit for each.
    Bits(u64),
    /// Whether any bit of `mask` is set; of evidence the first word is looked at.
    Flag { mask: u64, set: bool },
}

impl Test {
    #[must_use]
    pub const fn new(field: Field, values: Values) -> Self {
        Self { field, values }
    }

    #[inline]
    fn holds(&self, fault: &Fault) -> bool {
        let Some(value) = fault.value(self.field) else {
            return false;
        };
        match &self.values {
            Values::Within(first, last) => (*first..=*last).contains(&value),
            Values::OneOf(values) => values.binary_search(&value).is_ok(),
            Values::Bits(bits) => value < 64 && bits >> value & 1 != 0,
            Values::Flag { mask, set } => (value & mask != 0) == *set,
        }
    }
}

impl FaultFilter {
    /// Adds a test. Lists of values of the same field are united.
    pub fn add(&mut self, test: Test) {
        for known in &mut self.tests {
            if known.field != test.field {
                continue;
            }
            match (&mut known.values, &test.values) {
                (Values::Bits(known), Values::Bits(more)) => {
                    *known |= more;
                    return;
                }
                (Values::OneOf(known), Values::OneOf(more)) => {
                    known.extend(more);
                    known.sort_unstable();
                    known.dedup();
                    return;
                }
                _ => {}
            }
        }
        self.tests.push(test);
    }

    /// The same filter with one more test.
    #[must_use]
    pub fn and(mut self, field: Field, values: Values) -> Self {
        self.add(Test::new(field, values));
        self
    }

    /// Whether every fault passes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// The classes that pass, see [`Class::bit`](fault_trace_common::Class::bit); `None` if anything else
    /// is looked at as well.
    #[must_use]
    pub fn classes_alone(&self) -> Option<u64> {
        match self.tests.as_slice() {
            [] => Some(u64::MAX),
            [
                Test {
                    field: Field::Class,
                    values: Values::Bits(classes),
                },
            ] => Some(*classes),
            _ => None,
        }
    }

    /// What it looks at.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let fields = self.tests.iter().map(|test| Fields::of(&[test.field]));
        fields.fold(Fields::default(), Fields::and)
    }

    /// The first and the last value of fields that can pass.
    pub fn bounds(&self) -> impl Iterator<Item = (Field, u64, u64)> {
        self.tests.iter().filter_map(|test| match &test.values {
            Values::Within(first, last) => Some((test.field, *first, *last)),
            Values::OneOf(values) => Some((test.field, *values.first()?, *values.last()?)),
            Values::Bits(_) | Values::Flag { .. } => None,
        })
    }

    /// The first moment that can pass, and the first beyond, ns of CLOCK_MONOTONIC.
    #[must_use]
    pub fn window_ns(&self) -> (u64, u64) {
        let times = self.bounds().filter(|(field, ..)| *field == Field::Time);
        times.fold((0, u64::MAX), |(from_ns, to_ns), (_, first, last)| {
            (from_ns.max(first), to_ns.min(last.saturating_add(1)))
        })
    }

    /// Whether `fault` passes.
    #[must_use]
    pub fn admits(&self, fault: &Fault) -> bool {
        self.tests.iter().all(|test| test.holds(fault))
    }
}

#[cfg(test)]
mod tests {
    use fault_trace_common::{Class, Evidence};

    use super::*;

    #[test]
    fn nothing_asked_for_lets_everything_pass() {
        let filter = FaultFilter::default();
        assert!(filter.is_empty() && filter.admits(&Fault::BLANK));
        assert_eq!(filter.fields(), Fields::default());
    }

    #[test]
    fn each_test_has_to_hold() {
        let fault = Fault {
            time_ns: 50,
            latency_ns: Some(10),
            address: 0x1000,
            pid: 7,
            class: Class::CowAnon,
            evidence: Evidence::of(Evidence::KERNEL_MODE),
            ..Fault::BLANK
        };
        let flag = |set| Values::Flag {
            mask: Evidence::of(Evidence::KERNEL_MODE).word,
            set,
        };
        let tests = [
            (
                Field::Class,
                Values::Bits(Class::CowAnon.bit()),
                Values::Bits(Class::SwapIn.bit()),
            ),
            (
                Field::Pid,
                Values::OneOf(vec![3, 7]),
                Values::OneOf(vec![3]),
            ),
            (Field::Evidence, flag(true), flag(false)),
            (
                Field::Latency,
                Values::Within(10, u64::MAX),
                Values::Within(11, u64::MAX),
            ),
            (
                Field::Address,
                Values::Within(0x1000, 0x1000),
                Values::Within(0, 0xfff),
            ),
            (Field::Time, Values::Within(50, 50), Values::Within(0, 49)),
        ];
        for failing in 0..=tests.len() {
            let mut filter = FaultFilter::default();
            for (index, (field, passing, refusing)) in tests.iter().enumerate() {
                let values = if index == failing { refusing } else { passing };
                filter.add(Test::new(*field, values.clone()));
            }
            assert_eq!(filter.admits(&fault), failing == tests.len(), "{filter:?}");
            // What it does not look at makes no difference.
            let known = filter.fields().of_fault(&fault);
            assert_eq!(filter.admits(&known), filter.admits(&fault));
        }
    }

    #[test]
    fn lists_of_one_field_are_united_and_ranges_are_not() {
        let one_of = |pid| Values::OneOf(vec![pid]);
        let within = |first, last| Values::Within(first, last);
        let filter = FaultFilter::default()
            .and(Field::Pid, one_of(9))
            .and(Field::Pid, one_of(3))
            .and(Field::Time, within(5, u64::MAX))
            .and(Field::Time, within(0, 8));
        let bounds: Vec<_> = filter.bounds().collect();
        let expected = [
            (Field::Pid, 3, 9),
            (Field::Time, 5, u64::MAX),
            (Field::Time, 0, 8),
        ];
        assert_eq!(bounds, expected);
        for (pid, time_ns, passes) in [(3, 5, true), (9, 8, true), (4, 5, false), (3, 9, false)] {
            let fault = Fault {
                pid,
                time_ns,
                ..Fault::BLANK
            };
            assert_eq!(filter.admits(&fault), passes, "{fault:?}");
        }
    }

    #[test]
    fn a_fault_of_unknown_latency_is_not_slow() {
        let filter = FaultFilter::default().and(Field::Latency, Values::Within(1, u64::MAX));
        assert!(!filter.admits(&Fault::BLANK));
    }
}
