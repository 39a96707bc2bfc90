//! From faults to bytes in other formats. Pure: only the caller touches files.

pub mod csv;
pub mod flamegraph;
mod folded;
mod fragments;
mod hex;
mod hgrm;
pub mod jsonl;

pub use csv::CsvWriter;
pub use folded::folded;
pub use hgrm::hgrm;
pub use jsonl::JsonlWriter;

/// Bytes of lines gathered before they are written.
const CHUNK_BYTES: usize = 1 << 16;
