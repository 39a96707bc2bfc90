//! What the eBPF programs and the user space of fault-trace agree on.
//!
//! Everything here is pure and `no_std`: the tables of classes, hooks, phases, counters and the like
//! ([`catalogue`]), the wire layout ([`wire`]), the evidence a fault leaves ([`evidence`]), the rule that
//! derives its class ([`classify`]), the state machine of open faults ([`open`]), the books of completed
//! ones ([`ledger`]) and the histogram buckets
//! ([`histogram`]).
#![no_std]

#[macro_use]
pub mod catalogue;

pub mod classify;
pub mod error_code;
pub mod evidence;
pub mod histogram;
pub mod ledger;
pub mod open;
pub mod phase;
pub mod region;
pub mod verdict;
pub mod wire;

pub use catalogue::{class, counter, hook as hooks};
pub use class::{Class, Confidence, Family};
pub use classify::{Facts, classify};
pub use counter::Counter;
pub use error_code::ErrorCode;
pub use evidence::{Closer, Evidence};
pub use hooks::{Hook, Hooks};
pub use region::{Region, Regions};
pub use verdict::Verdict;
