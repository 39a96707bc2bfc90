//! The command line: arguments to plain options, nothing else.

mod arguments;
mod capture;
mod selection;
mod values;

use std::ffi::OsString;

use clap::Parser as _;

use crate::options::Command;

/// Parses the arguments, program name first.
///
/// # Errors
/// What clap has to say: usage errors, and the texts of `--help` and `--version`.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    arguments::Arguments::try_parse_from(arguments).map(arguments::Arguments::into_command)
}
