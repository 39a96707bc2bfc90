//! Tables of the report as CSV: plain numbers, units in the header, a formula in no cell.

use csv::Writer;
use std::borrow::Cow;

use crate::analysis::{
    Latency, Report,
    report::{ClassRow, ProcessRow},
};

/// A CSV table could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the report as CSV: {0}")]
pub struct CsvError(#[from] csv::Error);

/// The table of classes. A latency that is not known is an empty cell.
///
/// # Errors
/// None that a report can cause; the library's writer asks for it.
pub fn classes(report: &Report) -> Result<Vec<u8>, CsvError> {
    const COUNTS: [&str; 8] = [
        "family", "class", "count", "exact", "inferred", "major", "untimed", "pages",
    ];
    let header: Vec<&str> = COUNTS.into_iter().chain(LATENCY_HEADER).collect();
    write(&header, report.classes.iter().map(class))
}

/// The table of processes. What the kernel's counters could not tell is an empty cell.
///
/// # Errors
/// None that a report can cause; the library's writer asks for it.
pub fn processes(report: &Report) -> Result<Vec<u8>, CsvError> {
    const HEADER: [&str; 13] = [
        "pid",
        "comm",
        "started",
        "ended",
        "minor",
        "major",
        "failed",
        "gup",
        "latency_sum_ns",
        "kernel_minor",
        "kernel_major",
        "unexplained",
        "cpu_ns",
    ];
    write(&HEADER, report.processes.iter().map(process))
}

/// The columns of [`latency_cells`].
pub(super) const LATENCY_HEADER: [&str; 8] = [
    "latency_sum_ns",
    "latency_min_ns",
    "latency_mean_ns",
    "latency_p50_ns",
    "latency_p90_ns",
    "latency_p99_ns",
    "latency_p999_ns",
    "latency_max_ns",
];

/// Latencies, empty where none is known.
pub(super) fn latency_cells(latency_ns: Option<Latency>) -> Vec<String> {
    let Some(ns) = latency_ns else {
        return vec![String::new(); LATENCY_HEADER.len()];
    };
    let mut cells = vec![ns.sum.to_string(), ns.min.to_string(), ns.mean.to_string()];
    let quantiles = [ns.p50, ns.p90, ns.p99, ns.p999, ns.max];
    cells.extend(quantiles.iter().map(u64::to_string));
    cells
}

pub(super) fn write(
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<Vec<u8>, CsvError> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row)?;
    }
    let bytes = writer.into_inner();
    Ok(bytes.map_err(|error| csv::Error::from(error.into_error()))?)
}

fn class(row: &ClassRow) -> Vec<String> {
    let tally = &row.tally;
    let mut cells = vec![row.family.name().to_owned(), row.class.name().to_owned()];
    let counts = [
        tally.count,
        tally.exact,
        tally.inferred,
        tally.major,
        tally.untimed,
        tally.pages,
    ];
    cells.extend(counts.iter().map(u64::to_string));
    cells.extend(latency_cells(tally.latency_ns));
    cells
}

fn process(row: &ProcessRow) -> Vec<String> {
    let mut cells = vec![row.pid.to_string(), text(&row.comm).into_owned()];
    let counts = [
        row.started,
        row.ended,
        row.minor,
        row.major,
        row.failed,
        row.gup,
        row.latency_ns,
    ];
    cells.extend(counts.iter().map(u64::to_string));
    cells.extend([
        row.kernel
            .map_or_else(String::new, |kernel| kernel.minor.to_string()),
        row.kernel
            .map_or_else(String::new, |kernel| kernel.major.to_string()),
        row.unexplained
            .map_or_else(String::new, |faults| faults.to_string()),
        row.cpu_ns.map_or_else(String::new, |ns| ns.to_string()),
    ]);
    cells
}

/// A name that no spreadsheet takes for a formula: a leading `'` marks it as text.
pub(crate) fn text(name: &[u8]) -> Cow<'_, str> {
    let name = super::sanitize(name);
    if name
        .trim_start()
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
    {
        Cow::Owned(format!("'{name}"))
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sample::database;

    fn shown(bytes: Result<Vec<u8>, CsvError>) -> String {
        String::from_utf8(bytes.expect("a report is writable")).expect("CSV is UTF-8")
    }

    #[test]
    fn classes_are_plain_numbers() {
        insta::assert_snapshot!(shown(classes(&Report::new(&database()))));
    }

    #[test]
    fn a_name_is_never_a_formula() {
        let mut run = database();
        run.totals.processes[0].comm = b"=cmd|' /C'!A0".to_vec();
        run.totals.processes[1].comm = b" @SUM(1,2)".to_vec();
        run.totals.processes[2].comm = b"\x1b[31m".to_vec();
        insta::assert_snapshot!(shown(processes(&Report::new(&run))));
    }
}
