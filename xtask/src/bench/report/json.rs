//! For machines: the summary and every sample. The keys are described in docs/cost.md.

use serde_json::{Map, Value, json};

use super::command_line;
use crate::bench::{
    LoadResults, Results,
    measure::{Sample, Tool},
    setting::Setting,
    statistics::Spread,
    summary::{BASES, Rounds, Summary, ToolSummary},
    targets::{self, Check},
};

pub(in crate::bench) fn json(results: &Results, setting: &Setting) -> Value {
    json!({
        "schema": 2,
        "rounds": setting.rounds,
        "inner_rounds": setting.inner_rounds,
        "pages": setting.pages,
        "load_average": results.load_average,
        "commands": results.modes.iter()
            .map(|mode| json!({"mode": mode.name, "command": command_line(mode, setting)}))
            .collect::<Vec<_>>(),
        "skipped": results.skipped.iter()
            .map(|skipped| json!({"mode": skipped.name, "reason": skipped.reason}))
            .collect::<Vec<_>>(),
        "failed": results.failures.iter()
            .map(|failure| json!({
                "mode": failure.mode,
                "workload": failure.load.name(),
                "message": failure.message,
            }))
            .collect::<Vec<_>>(),
        "workloads": results.loads.iter()
            .map(|load| json!({
                "workload": load.load.name(),
                "parts": load.load.parts(),
                "modes": modes(results, load),
            }))
            .collect::<Vec<_>>(),
        "targets": targets::checks(results).iter().map(check).collect::<Vec<_>>(),
    })
}

fn modes(results: &Results, load: &LoadResults) -> Vec<Value> {
    let rounds = Rounds { results, load };
    let mode = |(index, mode): (usize, &crate::bench::Mode)| {
        let summary = rounds.summary(mode.name)?;
        let samples = load
            .rounds
            .iter()
            .map(|round| round[index].as_ref().map(sample));
        Some(json!({
            "mode": mode.name,
            "whole_ns": spread(summary.whole_ns),
            "added_ns": spread(summary.added_ns),
            "slower_percent": spread(summary.slower_percent),
            "parts_added_ns": summary.parts_added_ns.iter().copied().map(spread)
                .collect::<Vec<_>>(),
            "ratios": ratios(&summary),
            "tool": summary.tool.as_ref().map(tool),
            "samples": samples.collect::<Vec<_>>(),
        }))
    };
    results.modes.iter().enumerate().filter_map(mode).collect()
}

fn ratios(summary: &Summary) -> Map<String, Value> {
    BASES
        .iter()
        .zip(summary.ratios)
        .filter_map(|(&base, ratio)| Some((base.to_owned(), spread(ratio?))))
        .collect()
}

fn tool(tool: &ToolSummary) -> Value {
    json!({
        "cpu_per_fault_ns": tool.cpu_per_fault_ns.map(spread),
        "bytes_per_fault": tool.bytes_per_fault.map(spread),
        "start_cpu_ns": spread(tool.start_cpu_ns),
        "cpu_ns": spread(tool.cpu_ns),
        "peak_bytes": tool.peak_bytes,
        "until_start_ns": spread(tool.until_start_ns),
        "seen_percent": tool.seen_percent.map(spread),
        "lost": tool.lost,
    })
}

fn spread(spread: Spread) -> Value {
    json!({"lower": spread.lower, "median": spread.median, "upper": spread.upper})
}

fn sample(sample: &Sample) -> Value {
    json!({
        "parts_ns": sample.cost.parts_ns,
        "untraced_ns": sample.untraced_ns,
        "faults": sample.cost.faults,
        "cpu_ns": sample.cost.cpu_ns,
        "tool": sample.tool.as_ref().map(|tool: &Tool| json!({
            "start_cpu_ns": tool.start_cpu_ns,
            "cpu_ns": tool.cpu_ns,
            "peak_bytes": tool.peak_bytes,
            "until_start_ns": tool.until_start_ns,
            "seen": tool.seen.map(|seen| seen.faults),
            "lost": tool.seen.and_then(|seen| seen.lost),
            "disk_bytes": tool.disk_bytes,
        })),
    })
}

fn check(check: &Check) -> Value {
    json!({
        "target": check.target,
        "limit": check.limit,
        "measured": check.measured.map(spread),
        "beyond_ns": check.beyond_ns.map(spread),
        "verdict": check.verdict.name(),
    })
}
