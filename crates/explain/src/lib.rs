//! `fault-trace explain`: a name of the output, an error code or the kernel's own words about a fault.
//!
//! Pure: text in, [`Explained`] out. Names are those of the catalogue. What the input leaves open is shown as open: every ending
//! that the handler's code allows is listed, and nothing else.

#![deny(clippy::print_stderr, clippy::print_stdout)]

mod address;
mod bits;
mod class;
mod clues;
mod error;
mod explanation;
mod hex;
mod input;
mod location;
mod page;
mod path;
mod term;
mod text;

#[cfg(test)]
mod tests;

pub use address::Address;
pub use bits::Bit;
pub use class::ClassPage;
pub use clues::{Mapping, Mode, Outcome, Process};
pub use error::ExplainError;
pub use explanation::Explanation;
pub use location::CodeLocation;
pub use path::{Ending, Step};
pub use term::{Term, Terms};

use serde::Serialize;

/// The version of the JSON forms.
const SCHEMA: u32 = 1;

/// What was explained.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Explained {
    Class(ClassPage),
    Terms(Terms),
    Fault(Box<Explanation>),
}

/// Explains a class or another name of the output, an error code (`0x6`, `0b110`, `error 6`), or lines of the
/// kernel log (a `segfault at …` line, the lines of an oops).
///
/// # Errors
/// The input is empty, not understood, or about something that is no page fault.
pub fn explain(input: &str) -> Result<Explained, ExplainError> {
    match input::clues(input) {
        Ok(clues) => Ok(Explained::Fault(Box::new(Explanation::of(clues)))),
        Err(ExplainError::NotUnderstood(input)) => term::find(input),
        Err(error) => Err(error),
    }
}

/// Renders what was explained in lines of at most `width` columns, where words allow it.
#[must_use]
pub fn render(explained: &Explained, width: usize) -> String {
    match explained {
        Explained::Class(class) => class.render(width),
        Explained::Terms(terms) => terms.render(width),
        Explained::Fault(fault) => text::render(fault, width),
    }
}
