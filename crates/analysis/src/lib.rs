//! From a run to one report: pure.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod by_id;
pub mod cost;
pub mod diff;
pub mod estimate;
pub mod folded;
pub mod latency;
#[cfg(test)]
mod merge_tests;
pub mod report;
pub mod resident;
pub mod sampling;
mod scale;
mod slots;
pub mod slowest;
pub mod tables;
pub mod tally;
pub mod view;
pub mod weight;

pub use cost::Cost;
pub use diff::Diff;
pub use estimate::Estimate;
pub use fault_trace_filter::FaultFilter;
pub use folded::{Folded, FoldedSummary, Folder};
pub use latency::Latency;
pub use report::{Content, Report};
pub use sampling::Sampling;
pub use scale::Scale;
pub use slowest::SlowFault;
pub use tables::Tables;
pub use tally::Tally;
pub use view::{View, ViewBuilder};
pub use weight::Weight;
