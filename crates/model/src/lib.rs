//! The pure data model: faults, tasks, totals.

#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod accounting;
pub mod address_space;
pub mod attribution;
pub mod calibration;
pub mod cause;
pub mod code;
mod counters;
pub mod damage;
pub mod event;
pub mod fields;
pub mod findings;
pub mod gup;
pub mod interner;
mod json;
pub mod mapping;
pub mod merge;
pub mod names;
pub mod refine;
pub mod refinement;
pub mod run;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod space_event;
pub mod spaces;
pub mod support;
pub mod totals;
pub mod version;

pub use accounting::{Accounting, Loss};
pub use calibration::Calibration;
pub use cause::Cause;
pub use event::{Batch, Event, Fault, Field, TaskChange, TaskEvent};
pub use fields::Fields;
pub use names::TaskNames;
pub use refinement::Refinement;
pub use run::Run;
pub use totals::{ClassTotals, CounterTotals, Counts, Passed, ProcessTotals, ThreadTotals, Totals};
