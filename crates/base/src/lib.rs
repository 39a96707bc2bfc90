//! What the floors that do I/O stand on: folders by their descriptors, and panics that are caught.

#![deny(clippy::print_stderr, clippy::print_stdout)]

pub mod folder;
pub mod guarded;
