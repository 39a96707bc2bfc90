//! Numbers at their bounds in a recording: none of the commands panics or adds up to nonsense.

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use fault_trace::{
    model::{Event, Fault, Run},
    recording::RecordingWriter,
};
use fault_trace_common::{Class, Evidence};
use serde_json::Value;
use tempfile::TempDir;

/// More than any sum holds, and what only sums of many exceed.
const BOUNDS: [u64; 2] = [u64::MAX, 1 << 60];

fn run(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_fault-trace"))
        .args(arguments)
        .output()
        .expect("runs");
    let message = String::from_utf8_lossy(&output.stderr);
    let status = output.status.code();
    assert!(
        matches!(status, Some(0..=2)) && !message.contains("this is a bug"),
        "{arguments:?}: {status:?} {message}"
    );
    output
}

/// Reads a recording in every way that adds up.
fn read(path: &str, other: &str) {
    for arguments in [
        &["report", path][..],
        &["report", "--format", "json", path],
        &["report", "--histogram", "linear", path],
        &["report", "--by", "process", "--sort", "time", path],
        &["report", "--by", "stack", "--sort", "inclusive", path],
        &["report", "--by", "time", path],
        &["report", "--slowest", "3", "--format", "json", path],
        &["export", "--to", "jsonl", path],
        &["export", "--to", "hgrm", path],
        &["export", "--to", "flamegraph", "--weight", "time", path],
        &["export", "--to", "folded", "--weight", "pages", path],
        &["diff", path, other],
        &[
            "diff",
            "--to",
            "flamegraph",
            "--weight",
            "time",
            path,
            other,
        ],
    ] {
        run(arguments);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

#[test]
fn times_that_cannot_be_cost_no_more_than_their_rows() {
    let folder = TempDir::new().expect("a folder");
    let sound = folder.path().join("sound.ftrace");
    support::write(&sound, true, 1);
    let fault = |latency_ns| Fault {
        latency_ns: Some(latency_ns),
        class: Class::AnonAlloc,
        evidence: Evidence::of(Evidence::ENDED),
        pages: u32::MAX,
        stack_id: Some(1),
        time_ns: 1000,
        ..Fault::BLANK
    };
    for bound in BOUNDS {
        let of_phases = Fault {
            phases_ns: [bound; _],
            ..fault(bound)
        };
        let later = Fault {
            time_ns: bound,
            ..fault(1)
        };
        for (number, fault) in [fault(bound), of_phases, later].into_iter().enumerate() {
            let path = folder.path().join(format!("{bound}-{number}.ftrace"));
            let run = support::run();
            let mut writer = RecordingWriter::create(&path, false, &run).expect("creates");
            for row in support::attribution() {
                writer.push(row).expect("writes");
            }
            for _ in 0..9 {
                writer.push(Event::Fault(fault)).expect("writes");
            }
            writer.finish(&run).expect("finishes");
            read(text(&path), text(&sound));
        }
    }
    let huge = folder.path().join(format!("{}-0.ftrace", u64::MAX));
    let output = run(&["export", "--to", "csv", text(&huge)]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("impossible times"), "{message}");
}

#[test]
fn a_run_of_huge_numbers_is_shown_or_refused() {
    let folder = TempDir::new().expect("a folder");
    let sound = folder.path().join("sound.ftrace");
    support::write(&sound, true, 1);
    let path = folder.path().join("huge.ftrace");
    support::write(&path, true, 1);
    let manifest = path.join("recording.json");
    let whole: Value =
        serde_json::from_slice(&fs::read(&manifest).expect("reads")).expect("is JSON");
    for place in numbers(&whole, String::new()) {
        for bound in BOUNDS {
            let mut changed = whole.clone();
            *changed.pointer_mut(&place).expect("is there") = bound.into();
            fs::write(&manifest, changed.to_string()).expect("writes");
            let (path, sound) = (text(&path), text(&sound));
            let merged = [path; 16];
            for arguments in [
                &["report", "--format", "json", path][..],
                &["diff", path, sound],
                &[&["report"], &merged[..]].concat(),
            ] {
                run(arguments);
            }
        }
    }
    // Older recordings and those of long runs are not refused.
    let mut long: Run = serde_json::from_value(whole["run"].clone()).expect("a run");
    long.totals.counts.latency_ns = 1 << 56;
    long.stopped_ns = 1 << 56;
    let path = folder.path().join("long.ftrace");
    support::write_run(&path, &long, Vec::new(), 1);
    assert!(run(&["report", text(&path)]).status.success());
}

/// The places of all numbers in a value, as JSON pointers.
fn numbers(value: &Value, place: String) -> Vec<String> {
    let below = |(key, value): (String, &Value)| numbers(value, format!("{place}/{key}"));
    match value {
        Value::Number(_) => vec![place],
        Value::Array(values) => {
            let values = values.iter().enumerate();
            values
                .flat_map(|(at, value)| below((at.to_string(), value)))
                .collect()
        }
        Value::Object(values) => {
            let values = values.iter();
            values
                .flat_map(|(key, value)| below((key.clone(), value)))
                .collect()
        }
        _ => Vec::new(),
    }
}
