//! A live run: prepared, followed from its first fault to its last, into a sink.

mod ending;
mod faults;
mod follow;
mod prepare;
mod run;
mod sink;

pub(crate) use prepare::prepare;
pub(crate) use run::run;
pub(crate) use sink::{Progress, Sink};
