//! The table of the processes with the most faults.

use std::cmp::Reverse;

use super::{
    sanitize::sanitize,
    style::{Paint, Style},
    table::{self, Cell, Column},
    units::{count, counted, duration_aligned, share},
};
use fault_trace_analysis::{Report, report::ProcessRow};
use fault_trace_model::totals::saturating_sum;

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

/// The processes of whose faults some passed the filters, most first; none where that is not known.
pub(super) fn with_faults(report: &Report) -> Vec<&ProcessRow> {
    let filters = !report.options.filters.is_empty();
    let mut processes: Vec<&ProcessRow> = report
        .processes
        .iter()
        .filter(|process| !filters || faults(process, report) > 0)
        .collect();
    processes.sort_by_key(|process| Reverse(faults(process, report)));
    processes
}

/// The faults of a process that belong to the tables: with those in progress, where all do.
fn faults(process: &ProcessRow, report: &Report) -> u64 {
    if report.options.filters.is_empty() {
        return process.started;
    }
    process.passed.map_or(0, |passed| passed.faults)
}

/// The top processes by faults, and how many are not shown; empty for fewer than two.
pub(super) fn table(report: &Report, width: usize, style: Style) -> String {
    let processes = with_faults(report);
    if processes.len() < 2 {
        return String::new();
    }
    let shown = &processes[..processes.len().min(TOP)];
    let rows: Vec<Vec<Cell>> = shown.iter().map(|process| cells(process, report)).collect();
    let title = style.paint(Paint::Strong, "Processes");
    let mut text = format!("{title}\n{}", table::table(&COLUMNS, &rows, width, style));
    let shows_cpu = text
        .lines()
        .nth(1)
        .is_some_and(|titles| titles.contains(" cpu"));
    if shows_cpu && shown.iter().any(|process| process.cpu_ns.is_none()) {
        let why = "  cpu: - unknown: only the parent of a process that ended learns its CPU time";
        text += &style.paint(Paint::Dim, why);
        text.push('\n');
    }
    let hidden = &processes[shown.len()..];
    if !hidden.is_empty() {
        let faults = saturating_sum(hidden.iter().map(|process| faults(process, report)));
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
    // Beside a part of the faults, the kernel's count of all of them says nothing.
    let kernel = process
        .kernel
        .filter(|_| report.options.filters.is_empty())
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
    let all_faults = match report.options.filters.is_empty() {
        true => report.accounting.started,
        false => report.total.count,
    };
    let passed = process.passed.unwrap_or_default();
    let on_cpu = process.on_cpu_share_of_cpu.zip(process.cpu_ns);
    // What a hypervisor or an interrupt took meanwhile is not the thread's CPU time.
    let on_cpu = on_cpu.filter(|(share, _)| *share <= 1.0);
    vec![
        Cell::painted(Paint::Dim, process.pid.to_string()),
        Cell::painted(Paint::Strong, sanitize(&process.comm)),
        Cell::new(count(faults(process, report))),
        Cell::new(share(faults(process, report), all_faults)),
        number(passed.major),
        number(passed.failed),
        Cell::new(duration_aligned(passed.latency_ns)),
        Cell::new(share(passed.latency_ns, report.total.time_ns())),
        process
            .cpu_ns
            .map_or_else(Cell::none, |ns| Cell::new(duration_aligned(ns))),
        on_cpu.map_or_else(Cell::none, |(_, cpu_ns)| {
            Cell::new(share(passed.on_cpu_ns(), cpu_ns))
        }),
        kernel.map_or_else(Cell::none, |faults| Cell::new(count(faults))),
        unexplained,
    ]
}
