//! Reports on runs and recordings, in the form that was asked for.

use std::{io::Write as _, path::PathBuf};

use anyhow::Context as _;

use super::{
    file::{OutputFile, Wanted, refuse_parts},
    on_terminal, print,
};
use crate::{
    analysis::{Content, Report, Scale},
    exit::is_closed_pipe,
    messages,
    options::Format,
    render,
};

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
