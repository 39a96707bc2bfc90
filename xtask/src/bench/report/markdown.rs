//! The tables of docs/cost.md.

use std::fmt::Write as _;

use crate::bench::{
    Results,
    modes::UNTRACED,
    setting::Setting,
    statistics::Spread,
    summary::{Rounds, Summary, ToolSummary},
    targets,
    workload::Workload,
};

pub(in crate::bench) fn markdown(results: &Results, setting: &Setting) -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut text = format!(
        "`{}`: Linux {}, {} CPUs, {} rounds, load average {} before and {} after.\n",
        command(setting),
        kernel.trim(),
        setting.cpus,
        setting.rounds,
        results.load_average[0],
        results.load_average[1],
    );
    if results.load_average.iter().any(|load| is_busy(load)) {
        text += "The machine was busy with other work: trust the order, not the digits.\n";
    }
    text += &faults(results);
    text += &workloads(results);
    text += &checks(results);
    for skipped in &results.skipped {
        let _ = writeln!(
            text,
            "\n`{}` was skipped: {}.",
            skipped.name, skipped.reason
        );
    }
    for failure in &results.failures {
        let (mode, load) = (failure.mode, failure.load.name());
        let _ = writeln!(text, "\n`{mode}` failed with `{load}`.");
    }
    text
}

/// By what the kernel writes: the averages over 1, 5 and 15 minutes. The benchmark itself makes it 2.
fn is_busy(load_average: &str) -> bool {
    let last = load_average.split(' ').next();
    last.and_then(|last| last.parse().ok())
        .is_some_and(|last: f64| last > 2.5)
}

fn command(setting: &Setting) -> String {
    let quick = if setting.is_quick { " --quick" } else { "" };
    format!(
        "sudo cargo xtask bench{quick} --rounds {} --write",
        setting.rounds
    )
}

/// Of one thread with fresh anonymous pages: the cost of each mode, and of its tool.
fn faults(results: &Results) -> String {
    let Some(load) = results.load(Workload::Anonymous) else {
        return String::new();
    };
    let rounds = Rounds { results, load };
    let mut text = format!(
        "\n{}:\n\n| mode | ns a fault added | × floor | × perf record | × bpftrace histogram | \
         CPU ns | bytes | peak | lost |\n|---|---|---|---|---|---|---|---|---|\n",
        load.load.heading()
    );
    for mode in &results.modes {
        let Some(summary) = rounds.summary(mode.name) else {
            continue;
        };
        if mode.name == UNTRACED {
            let whole = summary.whole_ns.median;
            let _ = writeln!(
                text,
                "| untraced, a whole fault | {whole:.0} | | | | | | | |"
            );
            continue;
        }
        let Spread {
            lower,
            median,
            upper,
        } = summary.added_ns;
        let ratios =
            summary.ratios.iter().take(3).map(|ratio| {
                ratio.map_or_else(String::new, |ratio| format!("{:.2}", ratio.median))
            });
        let tool = summary.tool.as_ref().map(tool).unwrap_or_default();
        let cells: Vec<String> = ratios.chain(tool).collect();
        let _ = writeln!(
            text,
            "| `{}` | {median:.0} [{lower:.0}, {upper:.0}] | {} |",
            mode.name,
            cells.join(" | ")
        );
    }
    text
}

fn tool(tool: &ToolSummary) -> [String; 4] {
    let number = |spread: Option<Spread>, digits: usize| {
        spread.map_or_else(String::new, |spread| format!("{:.digits$}", spread.median))
    };
    [
        number(tool.cpu_per_fault_ns, 0),
        number(tool.bytes_per_fault, 1),
        format!("{:.0} MiB", tool.peak_bytes as f64 / f64::from(1 << 20)),
        tool.lost.map_or_else(String::new, |lost| lost.to_string()),
    ]
}

/// What the modes that all workloads were measured with add to each.
fn workloads(results: &Results) -> String {
    let loads: Vec<_> = results
        .loads
        .iter()
        .filter(|load| !matches!(load.load, Workload::Nothing | Workload::Anonymous))
        .collect();
    if loads.is_empty() {
        return String::new();
    }
    let names = loads.iter().map(|load| load.load.name());
    let mut text = format!(
        "\nThe other workloads, ns a fault added (`innocent`: a turn), in brackets how much slower:\n\n\
         | mode | {} |\n|---{}|\n",
        names.collect::<Vec<_>>().join(" | "),
        "|---".repeat(loads.len())
    );
    for mode in &results.modes {
        let summaries: Vec<Option<Summary>> = loads
            .iter()
            .map(|load| Rounds { results, load }.summary(mode.name))
            .collect();
        if summaries.iter().all(Option::is_none) {
            continue;
        }
        let cell = |summary: Option<Summary>| match summary {
            None => String::new(),
            Some(summary) if mode.name == UNTRACED => format!("{:.0}", summary.whole_ns.median),
            Some(summary) => format!(
                "{:.0} ({:.0} %)",
                summary.added_ns.median, summary.slower_percent.median
            ),
        };
        let cells: Vec<String> = summaries.into_iter().map(cell).collect();
        let _ = writeln!(text, "| `{}` | {} |", mode.name, cells.join(" | "));
    }
    text
}

fn checks(results: &Results) -> String {
    let mut text = "\n| target | at most | measured | |\n|---|---|---|---|\n".to_owned();
    for check in targets::checks(results) {
        let measured = match (check.measured, check.beyond_ns) {
            (Some(measured), _) => format!("{:.2}", measured.median),
            (None, Some(beyond)) => format!("{:.0} ns beyond", beyond.median),
            (None, None) => String::new(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {measured} | {} |",
            check.target,
            check.limit,
            check.verdict.name()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_other_work_is_busy() {
        assert!(is_busy("5.35 6.96 7.64"));
        assert!(!is_busy("1.90 6.96 7.64"));
        assert!(!is_busy(""));
    }
}
