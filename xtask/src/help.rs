//! Task `help`, and how wrong usage is reported.

use std::{
    ffi::{OsStr, OsString},
    fmt::{self, Write as _},
    process::ExitCode,
};

use anyhow::Result;

use crate::TASKS;

/// The command line is wrong: exit status 2.
#[derive(Debug)]
pub(crate) struct UsageError(String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

pub(crate) fn usage_error(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

/// For tasks without arguments.
pub(crate) fn no_arguments(args: &[OsString]) -> Result<()> {
    match args.first() {
        None => Ok(()),
        Some(arg) => Err(unexpected(arg)),
    }
}

pub(crate) fn unexpected(arg: &OsStr) -> anyhow::Error {
    usage_error(format!("unexpected argument `{}`", arg.display()))
}

/// For tasks whose only argument is one optional flag: was it given?
pub(crate) fn only_flag(args: &[OsString], flag: &str) -> Result<bool> {
    match args {
        [] => Ok(false),
        [arg] if arg == flag => Ok(true),
        [arg, rest @ ..] if arg == flag => no_arguments(rest).map(|()| true),
        [arg, ..] => Err(unexpected(arg)),
    }
}

pub(crate) fn is_help_flag(arg: &OsStr) -> bool {
    arg == "-h" || arg == "--help"
}

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    no_arguments(args)?;
    print!("{}", usage());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn usage() -> String {
    let mut text = String::from("Usage: cargo xtask TASK [ARGS...]\n\n");
    for task in TASKS {
        let head = format!("{} {}", task.name, task.arguments);
        for (i, line) in task.summary.lines().enumerate() {
            let head = if i == 0 { head.as_str() } else { "" };
            // Writing to a String does not fail.
            let _ = writeln!(text, "  {head:<25} {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_names_every_task() {
        let usage = usage();
        for task in TASKS {
            assert!(
                usage.contains(&format!("\n  {} ", task.name)),
                "{}",
                task.name
            );
        }
    }

    #[test]
    fn an_unknown_flag_is_a_usage_error() {
        let error = only_flag(&["--fast".into()], "--debug").expect_err("must be refused");
        assert!(error.is::<UsageError>());
        assert!(only_flag(&["--debug".into()], "--debug").expect("known flag"));
        assert!(only_flag(&["--debug".into(), "x".into()], "--debug").is_err());
    }
}
