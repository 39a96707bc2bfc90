//! Tables of the report as CSV: plain numbers, units in the header, a formula in no cell.

use csv::Writer;
use std::borrow::Cow;

use fault_trace_analysis::{
    Latency, Report, Tally,
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
    const CLASS: &Cells<ClassRow> = &[
        ("family", |row| row.family.name().to_owned()),
        ("class", |row| row.class.name().to_owned()),
    ];
    let header: Vec<&str> = titles(CLASS)
        .chain(titles(COUNTS))
        .chain(titles(LATENCIES))
        .collect();
    let row = |row: &ClassRow| {
        cells(CLASS, Some(row))
            .chain(cells(COUNTS, Some(&row.tally)))
            .chain(cells(LATENCIES, row.tally.latency_ns.as_ref()))
            .collect()
    };
    write(&header, report.classes.iter().map(row))
}

/// The table of processes. What the kernel's counters could not tell is an empty cell.
///
/// # Errors
/// None that a report can cause; the library's writer asks for it.
pub fn processes(report: &Report) -> Result<Vec<u8>, CsvError> {
    const PROCESS: &Cells<ProcessRow> = &[
        ("pid", |row| row.pid.to_string()),
        ("comm", |row| text(&row.comm).into_owned()),
        ("started", |row| row.started.to_string()),
        ("ended", |row| row.ended.to_string()),
        ("minor", |row| row.minor.to_string()),
        ("major", |row| row.major.to_string()),
        ("failed", |row| row.failed.to_string()),
        ("gup", |row| row.gup.to_string()),
        ("latency_sum_ns", |row| row.latency_ns.to_string()),
        ("kernel_minor", |row| {
            or_empty(row.kernel.map(|kernel| kernel.minor))
        }),
        ("kernel_major", |row| {
            or_empty(row.kernel.map(|kernel| kernel.major))
        }),
        ("unexplained", |row| or_empty(row.unexplained)),
        ("cpu_ns", |row| or_empty(row.cpu_ns)),
    ];
    let header: Vec<&str> = titles(PROCESS).collect();
    let row = |row: &ProcessRow| cells(PROCESS, Some(row)).collect();
    write(&header, report.processes.iter().map(row))
}

/// Columns: the title of each, and what stands in it.
pub(super) type Cells<R> = [(&'static str, fn(&R) -> String)];

/// Counts of faults.
pub(super) const COUNTS: &Cells<Tally> = &[
    ("count", |tally| tally.count.to_string()),
    ("exact", |tally| tally.exact.to_string()),
    ("inferred", |tally| tally.inferred.to_string()),
    ("major", |tally| tally.major.to_string()),
    ("untimed", |tally| tally.untimed.to_string()),
    ("pages", |tally| tally.pages.to_string()),
];

/// Latencies of faults.
pub(super) const LATENCIES: &Cells<Latency> = &[
    ("latency_sum_ns", |ns| ns.sum.to_string()),
    ("latency_min_ns", |ns| ns.min.to_string()),
    ("latency_mean_ns", |ns| ns.mean.to_string()),
    ("latency_p50_ns", |ns| ns.p50.to_string()),
    ("latency_p90_ns", |ns| ns.p90.to_string()),
    ("latency_p99_ns", |ns| ns.p99.to_string()),
    ("latency_p999_ns", |ns| ns.p999.to_string()),
    ("latency_max_ns", |ns| ns.max.to_string()),
];

/// The header.
pub(super) fn titles<R>(columns: &'static Cells<R>) -> impl Iterator<Item = &'static str> {
    columns.iter().map(|(title, _)| *title)
}

/// The cells of a row, empty without one.
pub(super) fn cells<R>(
    columns: &'static Cells<R>,
    row: Option<&R>,
) -> impl Iterator<Item = String> {
    columns
        .iter()
        .map(move |(_, cell)| row.map_or_else(String::new, cell))
}

/// What is not known is an empty cell.
pub(super) fn or_empty(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
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

/// A name that no spreadsheet takes for a formula: a leading `'` marks it as text.
#[must_use]
pub fn text(name: &[u8]) -> Cow<'_, str> {
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
    use fault_trace_model::sample::database;

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
