//! Tracing the whole machine: a process in it is as exact as if it were alone.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::support::{Known, Tracer, faults_in, is_root, jsonl, range};

#[test]
fn the_whole_machine_includes_a_process_exactly() {
    if !is_root() {
        return;
    }
    let tracer = Tracer::attached(["stat", "--all", "--format", "json"]);
    let mut known = Known::start(&["touch:1234", "wait", "run", "ls", "/usr"]);
    known.until("ready");
    known.go_on();
    let usage = known.message();
    let pid = known.pid();
    assert!(known.ended().success());
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_balanced();
    assert_eq!(report.0["accounting"]["kernel"]["source"], "vmstat");

    let row = report.process(pid);
    assert_eq!(row["comm"], "known");
    assert_eq!(row["unexplained"], 0, "{row:#}");
    assert!(row["ended"].as_i64() > Some(1234), "{row:#}");
    // The command that it ran and waited for, by wait4.
    let (minor, major) = usage_of(&usage);
    let same = report.processes().iter().any(|process| {
        process["comm"] == "ls"
            && process["unexplained"] == 0
            && process["kernel"]["minor"] == minor
            && process["kernel"]["major"] == major
    });
    assert!(same, "{usage}: {report:#?}");
}

#[test]
fn the_whole_machine_records_a_known_range_exactly() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let range = range(800);
    let tracer = Tracer::attached([
        "record",
        "-a",
        "--format",
        "json",
        "--address",
        &range,
        "-o",
        path,
    ]);
    let mut known = Known::start(&["touch:800"]);
    let pid = known.pid();
    assert!(known.ended().success());
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_balanced();
    assert_eq!(report.accounting("dropped"), 0);
    // Others may use this range at the same time.
    let faults = jsonl(&recording);
    let pages: BTreeSet<usize> = faults_in(&faults, 800)
        .into_iter()
        .filter(|(_, fault)| fault["pid"] == pid)
        .map(|(page, _)| page)
        .collect();
    assert_eq!(pages.len(), 800);
    assert_eq!(
        faults.iter().filter(|fault| fault["pid"] == pid).count(),
        800
    );
}

/// The numbers of `usage MINOR MAJOR`.
fn usage_of(message: &str) -> (i64, i64) {
    let mut words = message.split(' ');
    assert_eq!(words.next(), Some("usage"), "{message}");
    let mut number = || {
        words
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a number")
    };
    (number(), number())
}
