//! Where output goes: standard output, the terminal, files.

mod file;
mod named;
pub(crate) mod progress;
mod stdout;

use self::file::OutputFile;
use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
};

use anyhow::Context as _;

pub(crate) use self::{
    file::{Wanted, refuse_parts},
    named::{is_folder, to_folder, to_output},
    stdout::PatientStdout,
};
use crate::{
    analysis::{Content, Report, Scale},
    exit::{self, Exit, is_closed_pipe},
    messages,
    model::Run,
    options::Format,
    render::{self, Style, SummaryOptions},
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

/// Prints a final report in the form asked for.
pub(crate) fn report(report: &Report, format: Format) -> anyhow::Result<()> {
    print(&text(report, format, false)?)
}

/// Prints the report of recordings; `scale` is that of the latencies in a summary.
pub(crate) fn report_scaled(report: &Report, scale: Scale, format: Format) -> anyhow::Result<()> {
    print(&match (format, &report.content) {
        (Format::Text, Content::Summary) => {
            render::summary_scaled(report, scale, on_terminal(false))
        }
        _ => text(report, format, false)?,
    })
}

/// Where reports on a run go that are not for the terminal alone.
pub(crate) enum Destination {
    Standard,
    File { path: PathBuf, file: OutputFile },
}

impl Destination {
    /// Opens the file, if one is named, before anything is traced in vain.
    pub(crate) fn new(path: Option<PathBuf>, wanted: Wanted) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Standard);
        };
        refuse_parts(&path, &[])?;
        let file = OutputFile::open(&path, wanted)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self::File { path, file })
    }

    /// Writes a report; `live` if the run goes on.
    pub(crate) fn write(
        &mut self,
        report: &Report,
        format: Format,
        live: bool,
    ) -> anyhow::Result<()> {
        let text = text(report, format, live)?;
        match self {
            Self::Standard => print(&text),
            Self::File { path, file } => file
                .write_all(text.as_bytes())
                .with_context(|| format!("cannot write {}", path.display())),
        }
    }

    /// Writes the last report. Where that fails, standard output gets it, so that it is not lost.
    pub(crate) fn finish(mut self, report: &Report, format: Format) -> anyhow::Result<()> {
        let written = self.write(report, format, false);
        let Self::File { path, file } = self else {
            return written;
        };
        let written = written.and_then(|()| {
            let finished = file.finish();
            finished.with_context(|| format!("cannot write {}", path.display()))
        });
        if written.as_ref().is_err_and(|error| !is_closed_pipe(error)) {
            messages::say("the totals follow on standard output");
            // Both fail if there is no room anywhere; the file is what was asked for.
            let _ = self::report(report, format);
        }
        written
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

fn text(report: &Report, format: Format, live: bool) -> anyhow::Result<String> {
    let options = on_terminal(live);
    Ok(match (format, &report.content) {
        (Format::Json, _) => render::json(report, true)? + "\n",
        (Format::Text, Content::Summary) => render::summary(report, options),
        (Format::Text, Content::View(view)) => render::view(report, view, options),
        (Format::Text, Content::Slowest(faults)) => render::slowest(report, faults, options),
        (Format::Csv, Content::Summary) => String::from_utf8(render::csv::classes(report)?)?,
        (Format::Csv, Content::View(view)) => String::from_utf8(render::view::csv::view(view)?)?,
        (Format::Csv, Content::Slowest(faults)) => {
            String::from_utf8(render::slowest::csv(faults)?)?
        }
        (Format::Markdown, Content::Summary) => render::markdown::classes(report),
        (Format::Markdown, Content::View(view)) => render::view::markdown::view(view),
        (Format::Markdown, Content::Slowest(faults)) => render::slowest::markdown(faults),
    })
}

/// The width of the terminal, columns.
pub(crate) fn width() -> usize {
    if !io::stdout().is_terminal() {
        return DEFAULT_WIDTH;
    }
    let (_, columns) = console::Term::stdout().size();
    usize::from(columns).max(40)
}
