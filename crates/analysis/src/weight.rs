//! What a flame graph's widths stand for.

use super::resident::Resident;
use fault_trace_model::Fault;
use fault_trace_text::choice::choices;

choices! {
    /// What a flame graph's widths stand for.
    pub enum Weight {
        Count "count" "Number of faults",
        Time "time" "Sum of their latencies, ns",
        Pages "pages" "Pages made resident",
    }
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
