//! The command line: arguments to plain options, nothing else.

mod arguments;
mod capture;
mod filter;
mod hints;
mod selection;
mod values;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};

use crate::options::Command;
use arguments::Arguments;

/// Parses the arguments, program name first.
///
/// # Errors
/// What clap has to say: usage errors, and the texts of `--help` and `--version`.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut declared = Arguments::command();
    declared.build();
    let command = parse_as_it_is(arguments.clone())
        .map_err(|error| hints::improve(error, &declared, &arguments))?;
    command.check().map_err(|wrong| {
        let name = arguments.get(1).and_then(|name| name.to_str());
        let declared = match name.and_then(|name| declared.find_subcommand_mut(name)) {
            Some(subcommand) => subcommand,
            None => &mut Arguments::command(),
        };
        declared.error(ErrorKind::ArgumentConflict, wrong)
    })?;
    Ok(command)
}

/// Parses without a word on what the library says.
fn parse_as_it_is(arguments: Vec<OsString>) -> Result<Command, clap::Error> {
    Arguments::try_parse_from(arguments).map(Arguments::into_command)
}
