//! The table of classes.

use std::cmp::Reverse;

use super::{
    style::{Paint, Style},
    table::{self, Cell, Column},
    units::{self, count, counted, duration_aligned, share},
};
use fault_trace_analysis::{Report, Tally, report::ClassRow};

const fn column(title: &'static str, drop: u8) -> Column {
    Column {
        title,
        left: false,
        drop,
    }
}

const COLUMNS: [Column; 13] = [
    Column {
        title: "class",
        left: true,
        drop: 0,
    },
    column("count", 0),
    column("share", 2),
    column("inferred", 7),
    column("major", 1),
    column("memory", 8),
    column("time", 0),
    column("share", 6),
    column("mean", 5),
    column("p50", 0),
    column("p99", 0),
    column("p99.9", 4),
    column("max", 0),
];

/// The classes that were seen, the most frequent first.
pub(super) fn by_count(report: &Report) -> Vec<&ClassRow> {
    let mut rows: Vec<&ClassRow> = report.classes.iter().collect();
    rows.sort_by_key(|row| Reverse(row.tally.count));
    rows
}

/// A row a class, a row for all when there are several, and what the marks mean.
pub(super) fn table(report: &Report, width: usize, style: Style) -> String {
    let classes = by_count(report);
    let mut rows: Vec<Vec<Cell>> = classes
        .iter()
        .map(|row| {
            let mark = match row.tally.inferred {
                0 => String::new(),
                all if all == row.tally.count => " ~".to_owned(),
                some => format!(" ~{}", count(some)),
            };
            let name = format!("{}{mark}", row.class.name());
            cells(Cell::painted(Paint::Strong, name), &row.tally, report)
        })
        .collect();
    if classes.len() > 1 {
        rows.push(cells(
            Cell::painted(Paint::Dim, "all"),
            &report.total,
            report,
        ));
    }
    let title = style.paint(Paint::Strong, "Classes");
    let table = table::table(&COLUMNS, &rows, width, style);
    format!("{title}\n{table}{}", marks(&report.total, style))
}

fn cells(name: Cell, tally: &Tally, report: &Report) -> Vec<Cell> {
    let total = &report.total;
    let number = |number: u64, text: String| match number {
        0 => Cell::none(),
        _ => Cell::new(text),
    };
    let latency =
        |ns: Option<u64>| ns.map_or_else(Cell::none, |ns| Cell::new(duration_aligned(ns)));
    let latency_ns = tally.latency_ns;
    let memory_bytes = tally.pages.saturating_mul(report.host.page_size_bytes);
    vec![
        name,
        Cell::new(count(tally.count)),
        Cell::new(share(tally.count, total.count)),
        number(tally.inferred, share(tally.inferred, tally.count)),
        number(tally.major, count(tally.major)),
        number(tally.pages, units::bytes(memory_bytes)),
        latency(latency_ns.map(|latency| latency.sum)),
        number(tally.time_ns(), share(tally.time_ns(), total.time_ns())),
        latency(latency_ns.map(|latency| latency.mean.round() as u64)),
        latency(latency_ns.map(|latency| latency.p50)),
        latency(latency_ns.map(|latency| latency.p99)),
        latency(latency_ns.map(|latency| latency.p999)),
        latency(latency_ns.map(|latency| latency.max)),
    ]
}

fn marks(total: &Tally, style: Style) -> String {
    let mut lines = Vec::new();
    if total.inferred > 0 {
        lines.push(format!(
            "  ~ for {} the class fits best, without proof (~N: N of a row)",
            counted(total.inferred, "fault", "faults")
        ));
    }
    if total.untimed > 0 {
        lines.push(format!(
            "  {} without a latency: the end was not seen in time",
            counted(total.untimed, "fault", "faults")
        ));
    }
    lines
        .iter()
        .map(|line| style.paint(Paint::Dim, line) + "\n")
        .collect()
}
