//! From faults to bytes in other formats. Pure: only the caller touches files.

pub mod jsonl;

pub use jsonl::JsonlWriter;

use std::io::{self, Write};

use crate::model::Fault;

/// The formats a recording's faults can be exported to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// One JSON object a line and fault.
    Jsonl,
}

/// Writes `faults`, each with its thread's name where that is known, to `out` as `format`.
///
/// # Errors
/// What `out` reports, such as a full disk or a closed pipe.
pub fn export<C: AsRef<[u8]>>(
    format: Format,
    faults: impl IntoIterator<Item = (Fault, Option<C>)>,
    out: impl Write,
) -> io::Result<()> {
    match format {
        Format::Jsonl => jsonl::jsonl(faults, out),
    }
}
