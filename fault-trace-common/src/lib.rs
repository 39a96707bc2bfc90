//! What the eBPF programs and the user space of fault-trace agree on.
//!
//! Everything here is pure and `no_std`: the wire layout ([`wire`]), the evidence a fault leaves
//! ([`evidence`]), the classes and the rule that derives them ([`class`], [`classify`]), the state
//! machine of open faults ([`open`]) and the histogram buckets ([`histogram`]).
#![no_std]

pub mod class;
pub mod classify;
pub mod counter;
pub mod error_code;
pub mod evidence;
pub mod histogram;
pub mod hooks;
#[cfg(feature = "user")]
mod named;
pub mod open;
pub mod phase;
pub mod region;
pub mod wire;

pub use class::{Class, Confidence, Family};
pub use classify::{Facts, Verdict, classify};
pub use counter::Counter;
pub use error_code::ErrorCode;
pub use evidence::{Closer, Evidence};
pub use hooks::{Hook, Hooks};
pub use region::{Region, Regions};
