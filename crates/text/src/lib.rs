//! Text that fault-trace writes: values by their names, characters that are safe to show, and JSON.

#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod choice;
pub mod json;
pub mod plain;
