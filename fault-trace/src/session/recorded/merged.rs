//! Several recordings as one report.

use std::path::{Path, PathBuf};

use super::{open, selection, view_options};
use crate::{
    analysis::Report,
    model::{Run, merge::merge},
    options::ReportOptions,
};

/// The totals of all recordings together.
pub(super) fn report(paths: &[PathBuf], options: &ReportOptions) -> anyhow::Result<Report> {
    let runs = paths
        .iter()
        .map(|path| Ok((name(path), open(path)?.run)))
        .collect::<anyhow::Result<Vec<(String, Run)>>>()?;
    let run = merge(runs)?;
    let is_of_single_faults = options.slowest.is_some()
        || view_options(options, &run)?.is_some()
        || !selection::filter(&options.selection, &run)?.is_empty();
    anyhow::ensure!(
        !is_of_single_faults,
        "of several recordings only the totals are added up; for --by, --slowest and filters name one"
    );
    Ok(Report::new(&run))
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
