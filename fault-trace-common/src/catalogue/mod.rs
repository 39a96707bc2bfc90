//! The lists that everything else derives from: each entry once, with its name, its one-line meaning and
//! what the rest of the program needs to know of it.
//!
//! An entry can be added at any place of its table: names, not numbers, are what recordings and JSON hold.
//! A number that is stored, or comes from the kernel, stands in the table.

#[macro_use]
mod named;

pub mod class;
pub mod closer;
pub mod counter;
pub mod feature;
pub mod hook;
pub mod kernel;
pub mod phase;
pub mod region;
pub mod tracepoint;
