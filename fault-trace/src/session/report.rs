//! `fault-trace report`.

use crate::{analysis::Scale, exit::Exit, options::ReportOptions, output, recorded};

pub(super) fn run(options: &ReportOptions) -> anyhow::Result<Exit> {
    let report = recorded::report(options)?;
    let scale = options.histogram.unwrap_or(Scale::Log);
    output::report_scaled(&report, scale, options.format)?;
    Ok(Exit::Fine)
}
