//! The report on one recording.

use std::path::{Path, PathBuf};

use super::{faults::batches, selection, slowest::slowest, tables::read_tables};
use crate::{
    analysis::{
        Content, Report, View, ViewBuilder,
        view::{By, ViewOptions},
    },
    exit::Unusable,
    model::Run,
    options::ReportOptions,
    output::progress::Output,
    recording::{Recording, RecordingError},
};

/// A screenful.
const DEFAULT_LIMIT: usize = 20;

pub(super) fn report(path: &Path, options: &ReportOptions) -> anyhow::Result<Report> {
    let recording = open(path)?;
    let mut report = Report::new(&recording.run);
    if let Some(limit) = options.slowest {
        let filter = selection::filter(&options.filter, &recording.run)?;
        let tables = read_tables(&recording, &options.debug_directories);
        report.content = Content::Slowest(slowest(&recording, &tables, limit, filter)?);
    } else if let Some(wanted) = view_options(options, &recording.run)? {
        report.content = Content::View(Box::new(view(
            wanted,
            &options.debug_directories,
            &recording,
        )?));
    }
    report.damaged = recording.damage();
    Ok(report)
}

/// A recording that says itself what is missing in it, beside what is damaged.
pub(super) fn open(path: &Path) -> Result<Recording, RecordingError> {
    let mut recording = Recording::open(path)?;
    let notes = recording.completeness.notes();
    recording.run.notes.extend(notes);
    Ok(recording)
}

/// What view is asked for; `None` for the totals by class, which are exact.
pub(super) fn view_options(
    options: &ReportOptions,
    run: &Run,
) -> anyhow::Result<Option<ViewOptions>> {
    let ReportOptions {
        recordings: _,
        by,
        sort,
        limit,
        filter,
        slowest: _,
        histogram: _,
        debug_directories: _,
        format: _,
    } = options;
    let filter = selection::filter(filter, run)?;
    if by.is_none() && filter.is_empty() && sort.is_none() && limit.is_none() {
        return Ok(None);
    }
    let by = by.unwrap_or(By::Class);
    Ok(Some(ViewOptions {
        by,
        sort: sort.unwrap_or(by.definition().sort),
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
    let tables = read_tables(recording, debug_directories);
    // What is damaged is said so; else an older version has not written it.
    if recording.completeness.fault_rows > 0 && recording.damage().is_empty() {
        let view = options.by.definition();
        view.require(&tables)
            .map_err(|missing| Unusable(missing.to_string()))?;
    }
    let (fields, filter) = (ViewBuilder::fields(options.by), options.filter.clone());
    let mut builder = ViewBuilder::new(options, &tables, &recording.run);
    let passed_over = batches(recording, fields, &filter, Output::AtTheEnd, |batch| {
        builder.faults(batch);
        Ok::<(), anyhow::Error>(())
    })?;
    builder.pass_over(passed_over);
    Ok(builder.finish())
}
