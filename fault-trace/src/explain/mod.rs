//! `fault-trace explain`: an error code or the kernel's own words about a fault, decoded.
//!
//! Pure: text in, an [`Explanation`] out. What the input leaves open is shown as open: every ending
//! that the handler's code allows is listed, and nothing else.

mod address;
mod bits;
mod clues;
mod error;
mod explanation;
mod hex;
mod input;
mod location;
mod path;
mod text;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use bits::Bit;
pub use clues::{Mapping, Mode, Outcome, Process};
pub use error::ExplainError;
pub use explanation::Explanation;
pub use location::CodeLocation;
pub use path::{Ending, Step};
pub use text::render;

/// Explains an error code (`0x6`, `0b110`, `error 6`) or lines of the kernel log (a `segfault at …`
/// line, the lines of an oops).
///
/// # Errors
/// The input is empty, not understood, or about something that is no page fault.
pub fn explain(input: &str) -> Result<Explanation, ExplainError> {
    input::clues(input).map(Explanation::of)
}
