//! Which recorded faults a view or an export takes.

use fault_trace_common::{Class, Evidence, Family};

use crate::model::{Fault, Field, Fields};

/// Every condition has to hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FaultFilter {
    /// See [`Class::bit`]; `None` for every class.
    pub class_mask: Option<u64>,
    /// Processes, in ascending order.
    pub pids: Option<Vec<u32>>,
    pub kernel_mode: Option<bool>,
    /// Faults of unknown latency pass only 0.
    pub min_latency_ns: u64,
    /// First and last address.
    pub addresses: Option<(u64, u64)>,
    /// First moment and the first beyond, ns of CLOCK_MONOTONIC.
    pub window_ns: Option<(u64, u64)>,
    /// The conditions as on the command line.
    pub words: Vec<String>,
}

impl FaultFilter {
    /// The classes that are named or belong to a named family; `None` if nothing is named.
    #[must_use]
    pub fn class_mask(classes: &[Class], families: &[Family]) -> Option<u64> {
        if classes.is_empty() && families.is_empty() {
            return None;
        }
        let named = |class: &Class| classes.contains(class) || families.contains(&class.family());
        let bits = Class::ALL.iter().filter(|class| named(class));
        Some(bits.fold(0, |mask, class| mask | class.bit()))
    }

    /// Whether every fault passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            class_mask,
            pids,
            kernel_mode,
            min_latency_ns,
            addresses,
            window_ns,
            words: _,
        } = self;
        class_mask.is_none()
            && pids.is_none()
            && kernel_mode.is_none()
            && *min_latency_ns == 0
            && addresses.is_none()
            && window_ns.is_none()
    }

    /// What it looks at.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let conditions = [
            (self.class_mask.is_some(), Field::Class),
            (self.pids.is_some(), Field::Pid),
            (self.kernel_mode.is_some(), Field::Evidence),
            (self.min_latency_ns > 0, Field::Latency),
            (self.addresses.is_some(), Field::Address),
            (self.window_ns.is_some(), Field::Time),
        ];
        let set = conditions.iter().filter(|(is_set, _)| *is_set);
        set.fold(Fields::default(), |fields, &(_, field)| {
            fields.and(Fields::of(&[field]))
        })
    }

    /// Whether `fault` passes.
    #[must_use]
    pub fn admits(&self, fault: &Fault) -> bool {
        self.class_mask
            .is_none_or(|mask| mask & fault.class.bit() != 0)
            && self
                .kernel_mode
                .is_none_or(|kernel| kernel == fault.evidence.any(Evidence::KERNEL_MODE))
            && (self.min_latency_ns == 0 || fault.latency_ns >= Some(self.min_latency_ns))
            && self
                .addresses
                .is_none_or(|(first, last)| (first..=last).contains(&fault.address))
            && self
                .window_ns
                .is_none_or(|(from, to)| (from..to).contains(&fault.time_ns))
            && self
                .pids
                .as_ref()
                .is_none_or(|pids| pids.binary_search(&fault.pid).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_for_lets_everything_pass() {
        let filter = FaultFilter::default();
        assert!(filter.is_empty() && filter.admits(&Fault::BLANK));
        assert_eq!(FaultFilter::class_mask(&[], &[]), None);
    }

    #[test]
    fn each_condition_has_to_hold() {
        let fault = Fault {
            time_ns: 50,
            latency_ns: Some(10),
            address: 0x1000,
            pid: 7,
            class: Class::CowAnon,
            evidence: Evidence(Evidence::KERNEL_MODE),
            ..Fault::BLANK
        };
        let admitting = FaultFilter {
            class_mask: FaultFilter::class_mask(&[Class::SwapIn], &[Family::Cow]),
            pids: Some(vec![3, 7]),
            kernel_mode: Some(true),
            min_latency_ns: 10,
            addresses: Some((0x1000, 0x1000)),
            window_ns: Some((50, 51)),
            words: Vec::new(),
        };
        assert!(admitting.admits(&fault));
        let failing: [fn(&mut FaultFilter); 6] = [
            |filter| filter.class_mask = FaultFilter::class_mask(&[Class::SwapIn], &[]),
            |filter| filter.pids = Some(vec![3]),
            |filter| filter.kernel_mode = Some(false),
            |filter| filter.min_latency_ns = 11,
            |filter| filter.addresses = Some((0, 0xfff)),
            |filter| filter.window_ns = Some((0, 50)),
        ];
        for fail in failing {
            let mut filter = admitting.clone();
            fail(&mut filter);
            assert!(!filter.admits(&fault), "{filter:?}");
        }
    }

    #[test]
    fn a_fault_of_unknown_latency_is_not_slow() {
        let filter = FaultFilter {
            min_latency_ns: 1,
            ..FaultFilter::default()
        };
        assert!(!filter.admits(&Fault::BLANK));
    }
}
