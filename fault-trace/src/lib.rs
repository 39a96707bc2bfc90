//! fault-trace: an eBPF page-fault tracer and analyser for Linux.
//!
//! Data flows one way: `capture` or `recording` -> [`decode`] -> [`model`] -> `analysis` -> one
//! report -> `render` and `export`. Pure modules know nothing of aya, tokio, clap or /proc.

pub mod decode;
pub mod model;
pub mod recording;
