//! Where the time of the faults went, by class.

use fault_trace_common::phase::Phase;

use super::{
    classes,
    style::{Paint, Style},
    table::{self, Cell, Column},
    units::{duration_aligned, share},
};
use fault_trace_analysis::{Report, Tally};

/// The phases in the order of the table.
const ORDER: [Phase; 7] = [
    Phase::Cpu,
    Phase::Io,
    Phase::Sleep,
    Phase::Lock,
    Phase::Preempted,
    Phase::Reclaim,
    Phase::Compaction,
];

/// A row a class that spent time off the CPU's own work, and one for all; empty if none did.
pub(super) fn table(report: &Report, width: usize, style: Style) -> String {
    let spent = |tally: &Tally, phase: Phase| tally.phases_ns[phase as usize];
    let shown: Vec<Phase> = ORDER
        .into_iter()
        .filter(|phase| spent(&report.total, *phase) != 0)
        .collect();
    if shown.iter().all(|phase| *phase == Phase::Cpu) {
        return String::new();
    }
    let cells = |name: Cell, tally: &Tally| -> Vec<Cell> {
        let times = shown.iter().flat_map(|phase| match spent(tally, *phase) {
            0 => [Cell::none(), Cell::none()],
            ns => [
                Cell::new(duration_aligned(ns)),
                Cell::new(share(ns, tally.time_ns())),
            ],
        });
        std::iter::once(name).chain(times).collect()
    };
    let waited = |tally: &Tally| {
        shown
            .iter()
            .any(|p| *p != Phase::Cpu && spent(tally, *p) != 0)
    };
    let mut rows: Vec<Vec<Cell>> = classes::by_count(report)
        .into_iter()
        .filter(|row| waited(&row.tally))
        .map(|row| cells(Cell::painted(Paint::Strong, row.class.name()), &row.tally))
        .collect();
    rows.push(cells(Cell::painted(Paint::Dim, "all"), &report.total));
    let title = style.paint(Paint::Strong, "Where the time went");
    let table = table::table(&columns(&shown), &rows, width, style);
    format!("{title}\n{table}")
}

fn columns(shown: &[Phase]) -> Vec<Column> {
    let class = Column {
        title: "class",
        left: true,
        drop: 0,
    };
    let phases = shown.iter().flat_map(|phase| {
        [
            Column {
                title: phase.name(),
                left: false,
                drop: 0,
            },
            Column {
                title: "",
                left: false,
                drop: 1,
            },
        ]
    });
    std::iter::once(class).chain(phases).collect()
}
