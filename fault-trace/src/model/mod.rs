//! The pure data model: faults, tasks, totals.

pub mod event;
mod json;
pub mod run;
pub mod totals;

pub use event::{Event, Fault, TaskChange, TaskEvent};
pub use run::Run;
pub use totals::{ClassTotals, CounterTotals, Counts, ProcessTotals, Totals};
