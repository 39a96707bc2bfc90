//! From a run to one report: pure.

pub mod cost;
pub mod filter;
pub mod latency;
pub mod report;
pub mod resident;
#[cfg(test)]
pub(crate) mod sample;
pub mod tables;
pub mod tally;
pub mod view;

pub use cost::Cost;
pub use filter::FaultFilter;
pub use latency::Latency;
pub use report::Report;
pub use tables::Tables;
pub use tally::Tally;
pub use view::{View, ViewBuilder};
