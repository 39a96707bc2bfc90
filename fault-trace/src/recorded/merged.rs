//! Several recordings as one report.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::single::{open, view_options};
use crate::{
    analysis::Report, exit::Unusable, folder::FileId, model::merge::merge, options::ReportOptions,
};

/// The totals of all recordings together.
pub(crate) fn report(paths: &[PathBuf], options: &ReportOptions) -> anyhow::Result<Report> {
    let (mut runs, mut damaged) = (Vec::new(), Vec::new());
    let mut known: BTreeMap<FileId, &Path> = BTreeMap::new();
    for path in paths {
        let recording = open(path)?;
        if let Some(other) = known.insert(recording.identity()?, path) {
            return Err(Unusable(format!(
                "{} and {} are the same recording, which would count twice; name it once",
                other.display(),
                path.display()
            ))
            .into());
        }
        damaged.extend(recording.damage());
        runs.push((name(path), recording.run));
    }
    let run = merge(runs)?;
    let is_of_single_faults = options.slowest.is_some()
        || view_options(options, &run)?.is_some()
        || !options.filter.is_empty();
    if is_of_single_faults {
        let why = "--by, --slowest and filters need one recording; of several, only the totals are added up";
        return Err(Unusable(why.to_owned()).into());
    }
    let mut report = Report::new(&run);
    report.damaged = damaged;
    Ok(report)
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
