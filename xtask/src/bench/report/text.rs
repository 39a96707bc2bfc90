//! For people.

use std::fmt::Write as _;

use super::{Summary, heading, summary, table};
use crate::bench::{
    LoadResults, Results,
    modes::{Mode, Shape},
    setting::{Load, Programs, Setting},
    statistics::Spread,
};

const NOTES: &str = "\
Medians of all rounds; [lower quartile, upper quartile]. `added` is what a fault takes longer than
untraced in the same round; ratios are of `added`, round by round. `unmap` is what unmapping a page
takes longer. `tracer` is the CPU time that the tracer spent itself once it was attached, its end
included, a fault. `start` is the time from the start of the tracer to the first moment of tracing.
`floor` is programs of two instructions on the same four hooks: both page-fault tracepoints and the
minor and major software events.
";

pub(in crate::bench) fn text(results: &Results, programs: &Programs, setting: &Setting) -> String {
    let mut text = format!(
        "{} rounds, each the lower quartile of {} times {} pages; workload on CPU {}, tracers on {}\n\
         load average before {}, after {}\n",
        setting.rounds,
        setting.inner_rounds,
        setting.pages,
        setting.cpu,
        setting.other_cpus,
        results.load_average[0],
        results.load_average[1],
    );
    for load in &results.loads {
        let _ = write!(text, "\n{}\n", heading(load.load));
        text.push_str(&table::aligned(&rows(results, load)));
    }
    text.push('\n');
    text.push_str(NOTES);
    for skipped in &results.skipped {
        let _ = writeln!(text, "Skipped: {}: {}", skipped.name, skipped.reason);
    }
    text.push_str("\nCommand lines\n");
    for mode in &results.modes {
        let line = command_line(mode, programs, setting);
        let _ = writeln!(text, "  {}: {line}", mode.name);
    }
    text
}

/// As it was run with one thread.
pub(super) fn command_line(mode: &Mode, programs: &Programs, setting: &Setting) -> String {
    let workload = setting.workload(&programs.touch, Load::OneThread).join(" ");
    let tracer = setting.tracer(&mode.tracer, Load::OneThread).join(" ");
    match mode.shape {
        Shape::Alone => workload,
        Shape::Launches => format!("{tracer} -- {workload}"),
        Shape::Beside => format!("{tracer} & {workload}"),
    }
}

type Column = (&'static str, fn(&Summary) -> String);

fn columns(load: Load) -> &'static [Column] {
    match load {
        Load::Idle => &[
            ("ns/touch", |summary| one(summary.touch_ns)),
            ("added", |summary| quartiles(summary.added_ns)),
            ("added/syscall", |summary| quartiles(summary.other_added_ns)),
        ],
        Load::OneThread | Load::Threads(_) => &[
            ("ns/fault", |summary| whole(summary.touch_ns)),
            ("added", |summary| {
                let Spread { lower, upper, .. } = summary.added_ns;
                format!("{} [{lower:.0}, {upper:.0}]", whole(summary.added_ns))
            }),
            ("x floor", |summary| ratio(summary.to_floor)),
            ("x perf record", |summary| ratio(summary.to_perf_record)),
            ("unmap", |summary| whole(summary.other_added_ns)),
            ("tracer", |summary| {
                summary.tracer_ns.map_or_else(none, whole)
            }),
            ("bytes/fault", |summary| {
                summary.bytes_per_fault.map_or_else(none, one)
            }),
            ("dropped", |summary| {
                summary
                    .dropped
                    .map_or_else(none, |dropped| dropped.to_string())
            }),
            ("start", |summary| {
                summary
                    .until_tracing_ms
                    .map_or_else(none, |start| format!("{} ms", whole(start)))
            }),
        ],
    }
}

fn rows(results: &Results, load: &LoadResults) -> Vec<Vec<String>> {
    let columns = columns(load.load);
    let heading = std::iter::once("mode").chain(columns.iter().map(|&(name, _)| name));
    let mut rows = vec![heading.map(str::to_owned).collect()];
    for (index, mode) in results.modes.iter().enumerate() {
        if let Some(summary) = summary(results, load, index) {
            let cells = columns.iter().map(|&(_, cell)| cell(&summary));
            rows.push(std::iter::once(mode.name.to_owned()).chain(cells).collect());
        }
    }
    rows
}

fn none() -> String {
    "-".to_owned()
}

fn whole(spread: Spread) -> String {
    format!("{:.0}", spread.median)
}

fn one(spread: Spread) -> String {
    format!("{:.1}", spread.median)
}

fn quartiles(spread: Spread) -> String {
    let Spread {
        lower,
        median,
        upper,
    } = spread;
    format!("{median:.1} [{lower:.1}, {upper:.1}]")
}

fn ratio(spread: Option<Spread>) -> String {
    spread.map_or_else(none, |spread| format!("{:.2}", spread.median))
}
