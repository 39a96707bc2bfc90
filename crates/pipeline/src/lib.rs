//! From the bytes that the kernel sends to faults with their class, mapping, code and calls.
//!
//! ```text
//! Source ── records ────── ─── decode ─── phases ───┐
//!   │                                              ▼
//!   └────── sideband ──────── changes ── spaces ── refine ── attribution ── Batch
//!                                          ▲         ▲            ▲
//! Machine ─ mappings ─────── snapshots ────┘         │            │
//!   └────── conditions ──────────────────────────────┘            │
//!   └────── places, names and callers in code ────────────────────┘
//! ```
//!
//! Nothing here does any I/O: records come through one port, [`Source`], and what no record tells is
//! asked through the other, [`Machine`]. Both are type parameters, so that a fault costs no indirect
//! call. [`Pipeline`] alone knows the order of the steps.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod attribution;
mod changes;
mod coverage;
pub mod decode;
#[cfg(test)]
mod fake;
mod machine;
mod numa_hints;
mod phases;
mod refine;
mod run;
pub mod sideband;
mod snapshots;
mod source;
mod spaces;

pub use attribution::Ending;
pub use coverage::Coverage;
pub use machine::{Code, GivenUp, Machine, Moment, News, STACK_PATIENCE, Unwound};
pub use run::{BATCH, Followed, Pace, Pipeline, Settings};
pub use source::{Records, Sideband, Source};

/// What steps need at once when they ask what a process has mapped.
struct Ports<S, M> {
    sideband: S,
    machine: M,
}
