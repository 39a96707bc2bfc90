//! The glue: each command from its options to its end.

mod diff;
mod doctor;
mod explain;
mod export;
mod record;
mod report;
mod stat;
mod trace;

pub use crate::loading::settings;

use crate::{
    exit::Exit,
    host::rights::{self, Task},
    options::Command,
};

/// Carries out a command.
///
/// # Errors
/// Whatever made it fail; [`Exit::of`] tells the exit status.
pub fn run(command: Command) -> anyhow::Result<Exit> {
    if let Command::Report(_) | Command::Export(_) | Command::Diff(_) | Command::Explain { .. } =
        command
    {
        rights::give_up(Task::Read)?;
    }
    match command {
        Command::Record(capture, options) => record::run(&capture, &options),
        Command::Stat(capture, options) => stat::run(&capture, options),
        Command::Trace(capture) => trace::run(&capture),
        Command::Report(options) => report::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Diff(options) => diff::run(&options),
        Command::Explain { input, json } => explain::run(&input, json),
        Command::Doctor { json, calibrate } => doctor::run(json, calibrate),
    }
}
