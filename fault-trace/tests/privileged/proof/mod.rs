//! Every class of page fault, provoked by a program that knows what it provokes, and held against
//! what fault-trace records: class, access, mode, count, and how sure it claims to be.

mod check;
mod claims;
mod matrix;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::support::lab;
use claims::Claims;
use matrix::Matrix;

/// A scenario's exit status where the machine cannot provoke it.
const SKIPPED: i32 = 77;

/// Where the scenarios make their files, if not where they like to.
const PLACE: &str = "FAULT_TRACE_DIR";

/// Names the scenarios to run, with commas between, in the place of all.
const SELECTION: &str = "FAULT_TRACE_SCENARIOS";

/// How one scenario came out.
enum Outcome {
    Proven,
    Skipped(String),
    Wrong(Vec<String>),
}

#[test]
fn each_scenario_shows_just_the_faults_it_provokes() {
    if !crate::is_root() {
        return;
    }
    let all = scenarios();
    assert!(all.len() > 50, "{all:?}");
    let scenarios = match std::env::var(SELECTION) {
        Ok(names) => names.split(',').map(str::to_owned).collect(),
        Err(_) => all,
    };
    let mut matrix = Matrix::default();
    show("\nscenario                 outcome\n");
    let mut wrong = Vec::new();
    for scenario in &scenarios {
        let outcome = prove(scenario, &mut matrix);
        let text = match outcome {
            Outcome::Proven => "proven".to_owned(),
            Outcome::Skipped(reason) => format!("not provoked: {reason}"),
            Outcome::Wrong(reasons) => {
                wrong.push(format!("{scenario}: {}", reasons.join("; ")));
                format!("WRONG: {}", reasons.join("; "))
            }
        };
        show(&format!("{scenario:<24} {text}\n"));
    }
    show(&matrix.to_string());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(matrix.off_diagonal(), 0, "{matrix}");
}

/// The test harness keeps what passing tests print to itself; this is to be seen.
fn show(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn workloads() -> PathBuf {
    lab("workloads")
}

fn scenarios() -> Vec<String> {
    let output = Command::new(workloads())
        .arg("list")
        .output()
        .expect("workloads list");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn prove(scenario: &str, matrix: &mut Matrix) -> Outcome {
    let folder = tempfile::tempdir().expect("temporary directory");
    let recording = folder.path().join("proof.ftrace");
    let hints_before = numa_hint_faults();
    let output = record(scenario, &recording);
    let numa_hints = numa_hint_faults() != hints_before;
    if output.status.code() == Some(SKIPPED) {
        let reason = lines(&output.stdout)
            .find_map(|line| line["skipped"].as_str().map(str::to_owned))
            .unwrap_or_default();
        return Outcome::Skipped(reason);
    }
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Outcome::Wrong(vec![format!("{}: {stderr}", output.status)]);
    }
    let expected: Vec<Value> = lines(&output.stdout)
        .filter(|line| line.get("scenario").is_some())
        .collect();
    if expected.is_empty() {
        return Outcome::Wrong(vec!["it expects nothing".to_owned()]);
    }
    let faults = faults(&recording);
    let claims = Claims::read(&recording, numa_hints);
    let mut reasons = Vec::new();
    for group in check::groups(&expected) {
        reasons.extend(check::check(&group, &faults, &claims, matrix));
    }
    if reasons.is_empty() {
        Outcome::Proven
    } else {
        Outcome::Wrong(reasons)
    }
}

fn record(scenario: &str, recording: &Path) -> Output {
    let mut record = Command::new(env!("CARGO_BIN_EXE_fault-trace"));
    record
        .args(["record", "--format", "csv", "--output"])
        .arg(recording)
        .arg("--")
        .arg(workloads())
        .args([scenario, "--traced"]);
    if let Some(place) = std::env::var_os(PLACE) {
        record.arg("--dir").arg(place);
    }
    record.output().expect("fault-trace record")
}

/// The lines that are JSON objects; the summary's are not.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Value> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines
        .into_iter()
        .filter(|line| line.starts_with('{'))
        .filter_map(|line| serde_json::from_str(&line).ok())
}

fn faults(recording: &Path) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_fault-trace"))
        .args(["export", "--to", "jsonl"])
        .arg(recording)
        .output()
        .expect("fault-trace export");
    assert!(output.status.success(), "{output:?}");
    lines(&output.stdout).collect()
}

/// The machine's NUMA hint faults so far. Pages marked for one scenario fault in later ones.
fn numa_hint_faults() -> Option<String> {
    let vmstat = std::fs::read_to_string("/proc/vmstat").expect("/proc/vmstat");
    let line = vmstat
        .lines()
        .find(|line| line.starts_with("numa_hint_faults "));
    line.map(str::to_owned)
}
