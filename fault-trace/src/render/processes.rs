//! The table of the processes with the most faults.

use std::cmp::Reverse;

use super::{
    sanitize::sanitize,
    style::{Paint, Style},
    table::{self, Cell, Column},
    units::{count, counted, duration_aligned, share},
};
use crate::analysis::{Report, report::ProcessRow};

const TOP: usize = 10;

const fn column(title: &'static str, drop: u8) -> Column {
    Column {
        title,
        left: false,
        drop,
    }
}

const COLUMNS: [Column; 12] = [
    column("pid", 0),
    Column {
        title: "process",
        left: true,
        drop: 0,
    },
    column("faults", 0),
    column("share", 4),
    column("major", 1),
    column("failed", 5),
    column("time", 0),
    column("share", 3),
    column("cpu", 8),
    column("of cpu", 7),
    column("kernel", 6),
    column("unexplained", 2),
];

/// The top processes by faults, and how many are not shown.
pub(super) fn table(report: &Report, width: usize, style: Style) -> String {
    let mut processes: Vec<&ProcessRow> = report.processes.iter().collect();
    processes.sort_by_key(|process| Reverse(process.started));
    let shown = &processes[..processes.len().min(TOP)];
    let rows: Vec<Vec<Cell>> = shown.iter().map(|process| cells(process, report)).collect();
    let title = style.paint(Paint::Strong, "Processes");
    let mut text = format!("{title}\n{}", table::table(&COLUMNS, &rows, width, style));
    let hidden = &processes[shown.len()..];
    if !hidden.is_empty() {
        let faults = hidden.iter().map(|process| process.started).sum();
        let more = format!(
            "  and {} with {}",
            counted(hidden.len() as u64, "more process", "more processes"),
            counted(faults, "fault", "faults"),
        );
        text += &style.paint(Paint::Dim, &more);
        text.push('\n');
    }
    text
}

fn cells(process: &ProcessRow, report: &Report) -> Vec<Cell> {
    let number = |number: u64| match number {
        0 => Cell::none(),
        _ => Cell::new(count(number)),
    };
    let kernel = process
        .kernel
        .map(|kernel| kernel.minor.saturating_add(kernel.major));
    let unexplained = match process.unexplained {
        None => Cell::none(),
        Some(0) => Cell::new("0"),
        Some(faults) => {
            let sign = if faults > 0 { '+' } else { '-' };
            Cell::painted(
                Paint::Warn,
                format!("{sign}{}", count(faults.unsigned_abs())),
            )
        }
    };
    vec![
        Cell::painted(Paint::Dim, process.pid.to_string()),
        Cell::painted(Paint::Strong, sanitize(&process.comm)),
        Cell::new(count(process.started)),
        Cell::new(share(process.started, report.accounting.started)),
        number(process.major),
        number(process.failed),
        Cell::new(duration_aligned(process.latency_ns)),
        Cell::new(share(process.latency_ns, report.total.time_ns())),
        process
            .cpu_ns
            .map_or_else(Cell::none, |ns| Cell::new(duration_aligned(ns))),
        process
            .cpu_ns
            .filter(|&ns| ns > 0)
            .map_or_else(Cell::none, |ns| Cell::new(share(process.latency_ns, ns))),
        kernel.map_or_else(Cell::none, |faults| Cell::new(count(faults))),
        unexplained,
    ]
}
