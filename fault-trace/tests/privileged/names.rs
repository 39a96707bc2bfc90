//! Names of threads and processes: as the kernel had them at the time.

use std::{collections::BTreeMap, fs, path::Path};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::{Known, Report, Tracer, faults_in, is_root, jsonl, known_path, run, text};

/// Faults by the name of their thread, of those in the first `pages` pages of `known`.
fn by_name(faults: &[Value], pages: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (_, fault) in faults_in(faults, pages) {
        let name = fault["comm"].as_str().expect("a name");
        *counts.entry(name.to_owned()).or_default() += 1;
    }
    counts
}

fn counts<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

/// The rows of `report --by WHAT` of a recording.
fn rows(recording: &str, by: &str) -> Vec<Value> {
    let report = Report::of_run(&["report", recording, "--by", by, "--format", "json"]);
    let rows = report.0["view"]["rows"].as_array();
    rows.unwrap_or_else(|| panic!("{:#}", report.0)).clone()
}

/// Where a run records to.
fn recording() -> (TempDir, String) {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("r.ftrace");
    let path = path.to_str().expect("text").to_owned();
    (folder, path)
}

/// Records these steps of `known`, run under this path.
fn record(program: &Path, steps: &[&str], recording: &str) -> Report {
    let program = program.to_str().expect("text");
    let tracer = ["record", "--format", "json", "-o", recording, "--", program];
    Report::of(&run([&tracer, steps].concat()))
}

#[test]
fn threads_keep_the_name_they_had_when_they_exited() {
    if !is_root() {
        return;
    }
    let (_folder, recording) = recording();
    let mut known = Known::waiting(&["wait", "named:alpha:10", "named:beta:20", "named:gamma:30"]);
    let pid = known.pid();
    let main = fs::read_to_string(format!("/proc/{pid}/comm")).expect("it is alive");
    let tracer = Tracer::attached([
        "record",
        "--format",
        "json",
        "-o",
        &recording,
        "-p",
        &pid.to_string(),
    ]);
    known.go_on();
    let told: BTreeMap<String, String> = (0..3)
        .map(|_| {
            let message = known.message();
            let words: Vec<&str> = message.split(' ').collect();
            (words[1].to_owned(), words[2].to_owned())
        })
        .collect();
    assert!(known.ended().success());
    let report = tracer.report();
    report.assert_nothing_unexplained();
    // The main thread touched nothing first.
    assert_eq!(report.process(pid)["comm"], main.trim_end());
    let faults = jsonl(Path::new(&recording));
    assert_eq!(
        by_name(&faults, 60),
        counts([("alpha", 10), ("beta", 20), ("gamma", 30)])
    );
    let threads: BTreeMap<String, String> = rows(&recording, "thread")
        .iter()
        .filter(|row| row["tid"] != row["pid"])
        .map(|row| {
            let comm = row["comm"].as_str().expect("a name");
            (row["tid"].to_string(), comm.to_owned())
        })
        .collect();
    assert_eq!(threads, told, "as /proc told the threads themselves");
    let processes = rows(&recording, "process");
    assert_eq!(processes.len(), 1);
    assert_eq!(processes[0]["comm"], main.trim_end());
}

#[test]
fn a_fault_has_the_name_of_its_time() {
    if !is_root() {
        return;
    }
    let (_folder, recording) = recording();
    let steps = ["name:one", "touch:5", "name:two", "touch:7", "forks:1:3"];
    let report = record(&known_path(), &steps, &recording);
    report.assert_nothing_unexplained();
    let faults = jsonl(Path::new(&recording));
    // A child has its parent's name.
    assert_eq!(by_name(&faults, 15), counts([("one", 5), ("two", 10)]));
    assert!(report.processes().iter().all(|row| row["comm"] == "two"));
}

#[test]
fn a_thread_can_be_named_by_another() {
    if !is_root() {
        return;
    }
    let (_folder, recording) = recording();
    let steps = ["called:given:12", "touch:3"];
    let report = record(&known_path(), &steps, &recording);
    report.assert_nothing_unexplained();
    let faults = jsonl(Path::new(&recording));
    assert_eq!(by_name(&faults, 15), counts([("given", 12), ("known", 3)]));
}

#[test]
fn a_long_name_is_cut_to_fifteen_bytes_before_and_after_exec() {
    if !is_root() {
        return;
    }
    const CUT: &str = "abcdefghijklmno";
    let (folder, recording) = recording();
    let program = folder.path().join("abcdefghijklmnopqrstuvw");
    fs::copy(known_path(), &program).expect("copied");
    let program = program.as_path();
    let steps = ["touch:4", "forks:2:3", "named:zyxwvutsrqponmlkjihg:6"];
    let report = record(program, &steps, &recording);
    report.assert_nothing_unexplained();
    assert!(report.processes().iter().all(|row| row["comm"] == CUT));
    let faults = jsonl(Path::new(&recording));
    assert_eq!(
        by_name(&faults, 13),
        counts([(CUT, 10), ("zyxwvutsrqponml", 6)])
    );
    let all = report.number("/total/count");
    // As ps shows it, and as its file is called.
    for name in [CUT, "abcdefghijklmnopqrstuvw"] {
        let report = ["report", &recording, "--process", name, "--format", "json"];
        assert_eq!(Report::of_run(&report).number("/total/count"), all);
    }
    let output = run(["report", &recording, "--process", "abcdefghijklmn"]);
    assert!(!output.status.success(), "no process is called that");
    assert!(text(&output.stderr).contains(CUT), "{output:?}");
}

#[test]
fn a_thread_that_executes_a_program_becomes_the_main_thread() {
    if !is_root() {
        return;
    }
    let (folder, recording) = recording();
    let program = folder.path().join("another");
    fs::copy(known_path(), &program).expect("copied");
    let program = program.to_str().expect("text");
    let mut known = Known::waiting(&["wait", "touch:5", "exec", program, "touch:7", "wait"]);
    let pid = known.pid();
    let tracer = Tracer::attached([
        "record",
        "--format",
        "json",
        "-o",
        &recording,
        "-p",
        &pid.to_string(),
    ]);
    known.go_on();
    known.until("ready");
    // While it is alive its own counters are read from /proc, by its new id.
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_nothing_unexplained();
    assert_eq!(report.process(pid)["comm"], "another");
    let faults = jsonl(Path::new(&recording));
    let named = by_name(&faults, 7);
    // Both programs touch the first pages.
    assert_eq!(named, counts([("another", 7), ("known", 5)]));
    known.finish();
}
