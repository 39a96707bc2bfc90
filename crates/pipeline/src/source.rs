//! The port through which records arrive: those of the eBPF programs, and perf's sideband. Both come
//! from a live run, from a recorded one, or are made up.

use fault_trace_model::space_event::Origin;

/// Delivers the records of the eBPF programs, as bytes.
pub trait Records {
    /// A moment in the stream.
    type Mark: Copy;

    /// Returns this moment. What is delivered up to it was all over before it.
    fn mark(&mut self) -> Self::Mark;

    /// Hands over the records that were there at `until`, at most `limit`, oldest first. Returns their
    /// number.
    fn records(&mut self, until: Self::Mark, limit: usize, sink: impl FnMut(&[u8])) -> usize;
}

/// Delivers the sideband, as bytes.
pub trait Sideband {
    /// Hands over all records of one origin. Those of one CPU are in order of time, those of different
    /// CPUs are not; all up to a moment are there if this is called after it.
    fn read(&mut self, origin: Origin, sink: impl FnMut(&[u8]));
}

/// The records of a run, and the sideband of the same processes, which was opened before.
#[derive(Debug)]
pub struct Source<R, S> {
    pub records: R,
    pub sideband: S,
}
