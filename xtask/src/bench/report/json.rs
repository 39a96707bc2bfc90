//! For machines: the summary and every sample.

use serde_json::{Value, json};

use super::{heading, summary, text::command_line};
use crate::bench::{
    LoadResults, Results,
    measure::Sample,
    setting::{Programs, Setting},
    statistics::Spread,
};

pub(in crate::bench) fn json(results: &Results, programs: &Programs, setting: &Setting) -> Value {
    json!({
        "schema": 1,
        "rounds": setting.rounds,
        "inner_rounds": setting.inner_rounds,
        "pages": setting.pages,
        "load_average": results.load_average,
        "commands": results.modes.iter()
            .map(|mode| json!({"mode": mode.name, "command": command_line(mode, programs, setting)}))
            .collect::<Vec<_>>(),
        "skipped": results.skipped.iter()
            .map(|skipped| json!({"mode": skipped.name, "reason": skipped.reason}))
            .collect::<Vec<_>>(),
        "workloads": results.loads.iter()
            .map(|load| json!({"workload": heading(load.load), "modes": modes(results, load)}))
            .collect::<Vec<_>>(),
    })
}

fn modes(results: &Results, load: &LoadResults) -> Vec<Value> {
    let mode = |(index, mode): (usize, &crate::bench::Mode)| {
        let summary = summary(results, load, index)?;
        Some(json!({
            "mode": mode.name,
            "touch_ns": spread(summary.touch_ns),
            "added_ns": spread(summary.added_ns),
            "other_added_ns": spread(summary.other_added_ns),
            "to_floor": summary.to_floor.map(spread),
            "to_perf_record": summary.to_perf_record.map(spread),
            "tracer_ns": summary.tracer_ns.map(spread),
            "bytes_per_fault": summary.bytes_per_fault.map(spread),
            "until_tracing_ms": summary.until_tracing_ms.map(spread),
            "dropped": summary.dropped,
            "samples": load.rounds.iter().map(|round| round[index].as_ref().map(sample))
                .collect::<Vec<_>>(),
        }))
    };
    results.modes.iter().enumerate().filter_map(mode).collect()
}

fn spread(spread: Spread) -> Value {
    json!({"lower": spread.lower, "median": spread.median, "upper": spread.upper})
}

fn sample(sample: &Sample) -> Value {
    json!({
        "touch_ns": sample.touch_ns,
        "other_ns": sample.other_ns,
        "tracer_ns": sample.tracer_ns,
    })
}
