//! From faults to bytes in other formats. Pure: only the caller touches files.

pub mod csv;
pub mod flamegraph;
mod folded;
pub mod jsonl;

pub use csv::CsvWriter;
pub use folded::folded;
pub use jsonl::JsonlWriter;
