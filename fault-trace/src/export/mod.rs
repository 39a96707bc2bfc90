//! From faults to bytes in other formats. Pure: only the caller touches files.

mod chunks;
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
