//! Where output goes: standard output, the terminal, files.

mod file;
mod named;
pub(crate) mod progress;
mod report;
mod stdout;

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;

pub(crate) use self::{
    file::{Wanted, refuse_parts},
    named::{is_folder, to_folder, to_output},
    report::{Destination, report, report_scaled},
    stdout::PatientStdout,
};
use crate::{
    exit::{self, Exit, is_closed_pipe},
    messages,
    model::Run,
    render::{Style, SummaryOptions},
};

/// Columns assumed where there is no terminal to ask.
const DEFAULT_WIDTH: usize = 100;

/// Writes text to standard output.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    PatientStdout::new()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

/// Ends a run whose report was shown, or not: with the command's status, if there was one. A report
/// that could not be shown is an error of a run that went well otherwise. A reader that closed its
/// pipe has seen enough.
pub(crate) fn end(run: &Run, shown: anyhow::Result<()>) -> anyhow::Result<Exit> {
    let exit = run.exit_status.map_or(Exit::Fine, Exit::Command);
    match shown {
        Err(error) if !is_closed_pipe(&error) => {
            if matches!(exit, Exit::Fine | Exit::Command(0)) {
                return Err(error);
            }
            messages::say(exit::describe(&error));
            Ok(exit)
        }
        Ok(()) | Err(_) => Ok(exit),
    }
}

/// Colour only on a terminal, and not where NO_COLOR asks for none.
pub(crate) fn style() -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    Style {
        colour: wanted && io::stdout().is_terminal(),
    }
}

/// For standard error, which may not be the terminal that standard output is.
pub(crate) fn plain() -> SummaryOptions {
    SummaryOptions {
        width: width(),
        style: Style::default(),
        live: false,
    }
}

fn on_terminal(live: bool) -> SummaryOptions {
    SummaryOptions {
        width: width(),
        style: style(),
        live,
    }
}

/// The width of the terminal, columns.
pub(crate) fn width() -> usize {
    if !io::stdout().is_terminal() {
        return DEFAULT_WIDTH;
    }
    let (_, columns) = console::Term::stdout().size();
    usize::from(columns).max(40)
}
