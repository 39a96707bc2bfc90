//! `fault-trace report`, `export` and `diff`: from recordings.

mod diff;
mod export;
mod selection;
mod tables;

pub(super) use diff::diff;
pub(super) use export::export;

use std::path::PathBuf;

use super::output;
use crate::{
    analysis::{
        Report, View, ViewBuilder,
        view::{self, By, SortBy, ViewOptions},
    },
    exit::Exit,
    model::Run,
    options::ReportOptions,
    recording::Recording,
};

/// A screenful.
const DEFAULT_LIMIT: usize = 20;

pub(super) fn report(options: &ReportOptions) -> anyhow::Result<Exit> {
    let mut recording = Recording::open(&options.recording)?;
    let notes = recording.completeness.notes();
    recording.run.notes.extend(notes);
    let mut report = Report::new(&recording.run);
    if let Some(wanted) = view_options(options, &recording.run)? {
        report.view = Some(view(wanted, &options.debug_directories, &recording)?);
    }
    output::report(&report, options.format)?;
    Ok(Exit::Fine)
}

/// What view is asked for; `None` for the totals by class, which are exact.
fn view_options(options: &ReportOptions, run: &Run) -> anyhow::Result<Option<ViewOptions>> {
    let ReportOptions {
        recording: _,
        by,
        sort,
        limit,
        selection,
        debug_directories: _,
        format: _,
    } = options;
    let by = by.unwrap_or(By::Class);
    let filter = selection::filter(selection, run)?;
    if by == By::Class && filter.is_empty() && sort.is_none() && limit.is_none() {
        return Ok(None);
    }
    let default = match by {
        By::Time => SortBy::Start,
        _ => SortBy::Count,
    };
    Ok(Some(ViewOptions {
        by,
        sort: sort.unwrap_or(default),
        limit: match limit {
            None => DEFAULT_LIMIT,
            Some(0) => usize::MAX,
            Some(limit) => *limit,
        },
        filter,
    }))
}

fn view(
    options: ViewOptions,
    debug_directories: &[PathBuf],
    recording: &Recording,
) -> anyhow::Result<View> {
    let tables = tables::read(recording, debug_directories)?;
    if recording.completeness.fault_rows > 0 {
        view::require(options.by, &tables)?;
    }
    let mut builder = ViewBuilder::new(options, &tables, &recording.run);
    for fault in recording.faults() {
        builder.fault(&fault?);
    }
    Ok(builder.finish())
}
