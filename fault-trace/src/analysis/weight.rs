//! What a flame graph's widths stand for.

use super::resident::Resident;
use crate::model::Fault;

/// What a flame graph's widths stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Weight {
    /// Faults.
    #[default]
    Count,
    /// Their latencies, ns.
    Time,
    /// Pages made resident.
    Pages,
}

impl Weight {
    /// The unit of the widths.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Count => "faults",
            Self::Time => "ns",
            Self::Pages => "pages",
        }
    }

    /// What a fault weighs. A latency that is not known weighs nothing.
    #[must_use]
    pub fn of(self, fault: &Fault, resident: Resident) -> u64 {
        match self {
            Self::Count => 1,
            Self::Time => fault.latency_ns.unwrap_or(0),
            Self::Pages => resident.pages(),
        }
    }
}
