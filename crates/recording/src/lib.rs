//! A recording: one run as a directory that any Parquet engine reads as it is.
//!
//! ```text
//! NAME.ftrace/               mode 0700: addresses defeat ASLR
//!   recording.json           the format version and the [`Run`](fault_trace_model::Run)
//!   faults/part-00000.parquet  [`Fault`](fault_trace_model::Fault)s, in the order in which they were closed
//!   tasks/part-00000.parquet   [`TaskEvent`](fault_trace_model::TaskEvent)s, in the order in which they came
//!   mappings/…  locations/…  symbols/…  stacks/…  cgroups/…   what faults and tasks refer to
//! ```
//!
//! A segment is written under a temporary name (`….tmp`) and renamed once it is whole, so the death
//! of the tracer costs the open segment at most. `recording.json` is replaced in one step, too, and
//! says `"complete":false` until the run was stopped in order.
//!
//! What is synced to disk: `recording.json` whenever it is written; the segments when the recording
//! is finished, not before, for waiting on the disk would disturb the traced machine. A power failure
//! can therefore cost the segments that the kernel had not yet written back.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod column;
mod columns;
mod compact;
mod dictionary;
mod error;
mod files;
mod inspection;
mod manifest;
mod place;
mod pruning;
mod reader;
mod rows;
mod runs;
mod schema;
mod segment;
mod source;
mod sum;
#[cfg(test)]
mod tests;
mod thread;
mod wanted;
mod writer;

pub use error::RecordingError;
pub use manifest::is_within;
pub use place::{Place, Whereabouts};
pub use reader::{Completeness, Recording};
pub use rows::Rows;
pub use segment::SEGMENT_ROWS;
pub use thread::WriterThread;
pub use wanted::Wanted;
pub use writer::{RecordingWriter, Written};

/// The version of the format that is written, and the newest that is read. It grows when older
/// readers could misread; added columns, fields and names do not count.
pub const FORMAT: u32 = 1;

/// The key of the format's version, in `recording.json` and in the metadata of every segment.
const FORMAT_KEY: &str = "fault_trace.format";
