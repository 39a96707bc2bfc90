//! Reading recordings back: their faults, what those refer to, and the reports that are made of them.

mod faults;
mod merged;
pub(crate) mod notes;
mod selection;
mod single;
mod slowest;
mod tables;

pub(crate) use faults::batches;
pub(crate) use selection::filter;
pub(crate) use tables::{check_folders, named_tables};

use crate::{analysis::Report, options::ReportOptions};

/// The report that was asked for on one recording, or on several together.
pub(crate) fn report(options: &ReportOptions) -> anyhow::Result<Report> {
    tables::check_folders(&options.debug_directories)?;
    match options.recordings.as_slice() {
        [path] => single::report(path, options),
        paths => merged::report(paths, options),
    }
}
