//! The pure data model: faults, tasks, totals.

pub mod address_space;
pub mod event;
pub mod mapping;
pub mod refine;
pub mod run;
pub mod space_event;
pub mod spaces;
pub mod totals;

pub use event::{Event, Fault, TaskChange, TaskEvent};
pub use run::Run;
pub use totals::{ClassTotals, CounterTotals, Counts, ProcessTotals, Totals};
