//! What to say to arguments that clap refuses.

use std::ffi::OsString;

use clap::{
    Command, Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::render::sanitize;

/// The commands that take another one behind `--`.
const LAUNCHING: [&str; 3] = ["record", "stat", "trace"];
/// A suggestion with more than one typo in so many letters is a guess.
const LETTERS: usize = 4;

/// Puts better hints in the place of those of the library. `command` is the declaration, and
/// `arguments` were given, program name first.
pub(super) fn improve(mut error: Error, command: &Command, arguments: &[OsString]) -> Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    // "to pass it as a value" is what nobody meant.
    error.remove(ContextKind::Suggested);
    error.remove(ContextKind::TrailingArg);
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg).cloned() else {
        return error;
    };
    if let Some(ContextValue::String(similar)) = error.get(ContextKind::SuggestedArg)
        && strsim::osa_distance(similar, &unknown) > unknown.len() / LETTERS
    {
        error.remove(ContextKind::SuggestedArg);
        // The usage shows it, too.
        error.remove(ContextKind::Usage);
    }
    let name = arguments
        .get(1)
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let hint = if unknown.starts_with('-') {
        elsewhere(command, name, &unknown)
    } else if LAUNCHING.contains(&name) {
        launch(arguments, &unknown)
    } else {
        None
    };
    if let Some(hint) = hint {
        let tip = ContextValue::StyledStrs(vec![hint.into()]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// The command line with the command behind `--`.
fn launch(arguments: &[OsString], unknown: &str) -> Option<String> {
    let place = arguments.iter().position(|argument| argument == unknown)?;
    let (ours, theirs) = arguments.split_at(place);
    // With another target there is no room for a command.
    let line = [ours, &["--".into()], theirs].concat();
    super::parse_as_it_is(line).ok()?;
    let words = |words: &[OsString]| {
        let words = words.iter().map(|word| sanitize(word.as_encoded_bytes()));
        words.collect::<Vec<_>>().join(" ")
    };
    Some(format!(
        "put the command behind --: fault-trace {} -- {}",
        words(ours.get(1..)?),
        words(theirs)
    ))
}

/// The commands that have an option which this one lacks.
fn elsewhere(command: &Command, name: &str, option: &str) -> Option<String> {
    let option = option.split('=').next().unwrap_or_default();
    let has = |command: &Command| {
        command.get_arguments().any(|argument| {
            let long = argument.get_long().map(|long| format!("--{long}"));
            let short = argument.get_short().map(|short| format!("-{short}"));
            [long, short].contains(&Some(option.to_owned()))
        })
    };
    let others: Vec<&str> = command
        .get_subcommands()
        .filter(|other| has(other))
        .map(Command::get_name)
        .collect();
    (!others.is_empty())
        .then(|| format!("{name} has no {option}: that is for {}", others.join(", ")))
}
