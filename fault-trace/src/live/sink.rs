//! Where the events of a live run go.

use std::time::Duration;

use crate::{
    capture::Capture,
    host::kernel,
    model::{Batch, Run},
};

/// Takes the events of a run.
pub(crate) trait Sink {
    /// Takes events out of a batch, in the order of the ring buffer; with `all` none may be left. What
    /// a fault refers to is there with it, but the functions of its locations only if
    /// [`Sink::wants_symbols_live`].
    fn events(&mut self, batch: &mut Batch, all: bool) -> anyhow::Result<()>;

    /// Whether the functions of a location are wanted as soon as it is seen, or at the end.
    fn wants_symbols_live(&self) -> bool;

    /// Called while names are looked for at the end; so many places have none yet.
    fn naming(&mut self, _left: usize) {}

    /// Called about ten times a second; [`Progress`] tells how far the run is.
    fn tick(&mut self, progress: &mut Progress<'_>) -> anyhow::Result<()>;
}

/// How far a run is. Totals are read only when asked for.
pub(crate) struct Progress<'a> {
    pub(crate) elapsed: Duration,
    pub(crate) capture: &'a Capture,
    pub(crate) run: &'a Run,
}

impl Progress<'_> {
    /// The run as of now, not complete.
    pub(crate) fn run(&mut self) -> anyhow::Result<Run> {
        Ok(Run {
            stopped_ns: kernel::monotonic_ns(),
            totals: self.capture.totals()?.totals,
            ..self.run.clone()
        })
    }
}
