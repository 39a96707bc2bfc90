//! From the address of an instruction to the names of its functions.
//!
//! While processes run, [`Modules`] turns addresses into [`CodePlace`]s and holds on to the files
//! behind them, which may be gone when the names are wanted. Later, or live, [`Resolver`] turns
//! places into [`Frame`]s. Only the second reads symbols, and that can take seconds and hundreds of
//! megabytes: see [`Detail`].
//!
//! [`CodePlace`]: crate::model::code::CodePlace
//! [`Frame`]: crate::model::code::Frame

mod behind;
mod debug_files;
mod elf;
mod files;
mod image;
mod jit;
mod kernel;
mod lists;
mod module;
mod modules;
mod names;
mod perf_map;
mod resolver;
pub mod unwind;
mod unwind_tables;

pub use modules::{Limits, ModuleCounts, Modules};
pub use resolver::{Detail, Options, Resolver};

#[cfg(test)]
mod tests;
