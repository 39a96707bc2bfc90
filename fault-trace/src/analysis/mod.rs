//! From a run to one report: pure.

pub mod latency;
pub mod report;
#[cfg(test)]
pub(crate) mod sample;
pub mod tally;

pub use latency::Latency;
pub use report::Report;
pub use tally::Tally;
