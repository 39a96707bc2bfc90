//! For people, in 100 columns.

use std::fmt::Write as _;

use super::{command_line, table};
use crate::bench::{
    LoadResults, Results,
    modes::UNTRACED,
    setting::Setting,
    statistics::Spread,
    summary::{Rounds, Summary, ToolSummary},
    targets,
    workload::Workload,
};

const NOTES: &str = "\
Medians of all rounds; [lower quartile, upper quartile]. `added` is what a fault takes longer than
untraced just before and after, `slower` the same in percent; × are ratios of `added`, round by round, to
the floor, to perf record and to the bpftrace histogram; missing where noise has swallowed the base. `floor` is programs of two instructions on the hooks of
start and end. Of the tool: `CPU` is what it takes from the start of the workload to its own
end, per fault that it saw, beyond what a program that ends at once makes it take; `bytes` is all that
it wrote, per fault; `peak` is the most memory of any round; `seen` is held against what the kernel
counted for the workload (the whole machine's faults can make it more); `lost` is what the tool says
itself, over all rounds. `start` is from the tool's start to when faults count: to the first instruction
of the workload that it launches, or to when its last perf event or BPF link was made.
";

pub(in crate::bench) fn text(results: &Results, setting: &Setting) -> String {
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
        let _ = write!(text, "\n{}: {}\n", load.load.name(), load.load.heading());
        for columns in tables(load.load) {
            text.push_str(&table::aligned(&rows(results, load, &columns)));
        }
    }
    let _ = write!(text, "\n{NOTES}\nTargets\n{}", checks(results));
    text.push_str(
        "~ the limit lies between the quartiles. `--endurance` is about loss over time.\n",
    );
    for skipped in &results.skipped {
        let _ = writeln!(text, "Skipped: {}: {}", skipped.name, skipped.reason);
    }
    for failure in &results.failures {
        let (mode, load) = (failure.mode, failure.load.name());
        let _ = writeln!(text, "Failed: {mode}, {load}: {}", failure.message);
    }
    text.push_str("\nCommand lines\n");
    for mode in &results.modes {
        let line = command_line(mode, setting);
        let _ = writeln!(text, "  {}: {line}", mode.name);
    }
    text
}

/// `None` where a row has nothing to say in this column.
type Cell = Box<dyn Fn(&Summary) -> Option<String>>;

struct Column {
    name: String,
    cell: Cell,
}

fn column(name: impl Into<String>, cell: impl Fn(&Summary) -> Option<String> + 'static) -> Column {
    Column {
        name: name.into(),
        cell: Box::new(cell),
    }
}

fn tool_column(name: &str, cell: fn(&ToolSummary) -> Option<String>) -> Column {
    column(name, move |summary| cell(summary.tool.as_ref()?))
}

fn tables(load: Workload) -> Vec<Vec<Column>> {
    match load {
        Workload::Nothing => vec![starts()],
        Workload::Innocent => vec![innocents()],
        _ => vec![costs(), tools()],
    }
}

fn starts() -> Vec<Column> {
    vec![
        tool_column("start", |tool| Some(ms(tool.until_start_ns))),
        tool_column("", |tool| {
            Some(quartiles(tool.until_start_ns.map(|ns| ns / 1e6)))
        }),
        tool_column("CPU until then", |tool| Some(ms(tool.start_cpu_ns))),
        tool_column("and after", |tool| Some(ms(tool.cpu_ns))),
        tool_column("peak", |tool| Some(mib(tool.peak_bytes))),
    ]
}

fn costs() -> Vec<Column> {
    let ratio = |name, index: usize| {
        column(name, move |summary: &Summary| {
            Some(format!("{:.2}", summary.ratios[index]?.median))
        })
    };
    vec![
        column("ns/fault", |summary| Some(whole(summary.whole_ns))),
        column("added", |summary| Some(whole(summary.added_ns))),
        column("", |summary| Some(quartiles(summary.added_ns))),
        column("slower", |summary| {
            Some(format!("{:.0} %", summary.slower_percent.median))
        }),
        ratio("× floor", 0),
        ratio("× perf", 1),
        ratio("× hist.", 2),
    ]
}

fn tools() -> Vec<Column> {
    vec![
        tool_column("CPU ns", |tool| Some(whole(tool.cpu_per_fault_ns?))),
        tool_column("bytes", |tool| {
            Some(format!("{:.1}", tool.bytes_per_fault?.median))
        }),
        tool_column("peak", |tool| Some(mib(tool.peak_bytes))),
        tool_column("seen", |tool| {
            Some(format!("{:.1} %", tool.seen_percent?.median))
        }),
        tool_column("lost", |tool| Some(tool.lost?.to_string())),
    ]
}

fn innocents() -> Vec<Column> {
    let mut columns = vec![
        column("ns/turn", |summary| Some(whole(summary.whole_ns))),
        column("added", |summary| Some(quartiles(summary.added_ns))),
        column("slower", |summary| {
            Some(format!("{:.1} %", summary.slower_percent.median))
        }),
        column("× perf stat -a", |summary| {
            Some(format!("{:.2}", summary.ratios[3]?.median))
        }),
    ];
    let parts = Workload::Innocent.parts().iter().enumerate();
    // What is added to the whole is there already, and reading is no business of the kernel's.
    columns.extend(parts.skip(2).map(|(index, part)| {
        column(format!("+{part}"), move |summary| {
            Some(whole(*summary.parts_added_ns.get(index)?))
        })
    }));
    columns
}

/// A mode that says nothing in any of the columns has no row.
fn rows(results: &Results, load: &LoadResults, columns: &[Column]) -> Vec<Vec<String>> {
    let heading = std::iter::once("mode").chain(columns.iter().map(|column| &*column.name));
    let mut rows = vec![heading.map(str::to_owned).collect()];
    let rounds = Rounds { results, load };
    for mode in &results.modes {
        let Some(summary) = rounds.summary(mode.name) else {
            continue;
        };
        let cells: Vec<Option<String>> = columns
            .iter()
            .enumerate()
            .map(|(place, column)| {
                // What untraced adds to itself is not worth a number.
                let is_told = mode.name != UNTRACED || place == 0;
                is_told.then(|| (column.cell)(&summary)).flatten()
            })
            .collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(none));
            rows.push(std::iter::once(mode.name.to_owned()).chain(cells).collect());
        }
    }
    rows
}

fn checks(results: &Results) -> String {
    let mut rows = vec![
        ["target", "at most", "measured", "quartiles", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    for check in targets::checks(results) {
        let number = |value: f64| match value {
            value if value < 20.0 => format!("{value:.2}"),
            value => format!("{value:.0}"),
        };
        rows.push(vec![
            check.target,
            number(check.limit),
            check
                .measured
                .map_or_else(none, |spread| number(spread.median)),
            match (check.measured, check.beyond_ns) {
                (Some(Spread { lower, upper, .. }), _) => {
                    format!("[{}, {}]", number(lower), number(upper))
                }
                (None, Some(beyond_ns)) => format!("{} ns beyond", quartiles(beyond_ns)),
                (None, None) => none(),
            },
            check.verdict.name().to_owned(),
        ]);
    }
    table::aligned(&rows)
}

fn none() -> String {
    "-".to_owned()
}

fn whole(spread: Spread) -> String {
    format!("{:.0}", spread.median)
}

fn quartiles(spread: Spread) -> String {
    format!("[{:.0}, {:.0}]", spread.lower, spread.upper)
}

fn ms(spread: Spread) -> String {
    format!("{:.0} ms", spread.median / 1e6)
}

fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}
