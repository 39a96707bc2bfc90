//! Bad accesses, and faults that never end.

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::support::{
    Known, Report, START, Tracer, faults_in, is_root, jsonl, known_path, range, run, state_of,
    wait_until,
};

#[test]
fn a_segmentation_fault_is_a_bad_area_at_its_address() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let known = known_path();
    let known = known.to_str().expect("text");
    let output = run([
        "record", "--format", "json", "-o", path, "--", known, "touch:2", "segv",
    ]);
    assert_eq!(output.status.code(), Some(139), "{output:?}");
    let report = Report::printed(&output);
    report.assert_nothing_unexplained();
    assert_eq!(report.number("/exit_status"), 139);
    assert_eq!(report.class("segv-unmapped"), 1);

    let faults = jsonl(&recording);
    let ours = faults_in(&faults, 100);
    let classes: Vec<_> = ours
        .iter()
        .map(|(page, fault)| (*page, &fault["class"]))
        .collect();
    assert_eq!(classes[0], (0, &"anon-alloc".into()));
    assert_eq!(classes[1], (1, &"anon-alloc".into()));
    assert_eq!(classes[2], (2, &"segv-unmapped".into()));
    assert_eq!(classes.len(), 3);
    let (_, segv) = ours[2];
    assert_eq!(segv["family"], "bad-area");
    assert_eq!(segv["confidence"], "exact");
    assert_eq!(segv["address"], format!("{:#x}", START + 2 * 4096));
    assert_eq!((&segv["signal"], &segv["si_code"]), (&11.into(), &1.into()));
    assert_eq!(segv["access"], "write");
}

#[test]
fn a_system_call_with_a_bad_buffer_is_a_kernel_efault() {
    if !is_root() {
        return;
    }
    let known = known_path();
    let report = Report::of_run(&[
        "stat",
        "--format",
        "json",
        "--address",
        &range(1),
        "--",
        known.to_str().expect("text"),
        "efault:100",
    ]);
    report.assert_balanced();
    assert_eq!(report.classes(), ["kernel-efault"]);
    assert_eq!(report.class("kernel-efault"), 100);
    assert_eq!(report.accounting("unexplained"), 0);
}

#[test]
fn that_nothing_is_mapped_at_a_bad_buffer_is_no_loss() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let known = known_path();
    let known = known.to_str().expect("text");
    let report = Report::of_run(&[
        "record",
        "--format",
        "json",
        "-o",
        path,
        "--",
        known,
        "touch:1",
        "efault:10",
    ]);
    report.assert_nothing_unexplained();
    assert_eq!(report.class("kernel-efault"), 10);
}

#[test]
fn what_follows_a_bad_buffer_is_not_laid_to_it() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let known = known_path();
    let known = known.to_str().expect("text");
    // Sleeping, and memory without an exception, between one bad buffer and the next.
    let report = Report::of_run(&[
        "record",
        "--format",
        "json",
        "-o",
        path,
        "--",
        known,
        "efault:1",
        "pause",
        "efault:1",
        "populate:16",
        "efault:1",
        "touch:2",
    ]);
    report.assert_nothing_unexplained();
    assert_eq!(report.accounting("gup"), 16 + gup_of_nothing(known));
    let faults = jsonl(&recording);
    let efaults: Vec<_> = faults_in(&faults, 100)
        .into_iter()
        .map(|(_, fault)| fault)
        .filter(|fault| fault["class"] == "kernel-efault")
        .collect();
    // Before 6.4 a copy that failed was tried once more.
    assert!(
        !efaults.is_empty() && efaults.len().is_multiple_of(3),
        "{efaults:#?}"
    );
    for fault in efaults {
        let evidence = fault["evidence"].as_array().expect("a list");
        assert!(
            evidence
                .iter()
                .all(|name| ["confirmed", "kernel-mode", "tried-again"]
                    .contains(&name.as_str().unwrap_or(""))),
            "{fault:#}"
        );
        assert_eq!(
            (&fault["pages"], &fault["confidence"]),
            (&0.into(), &"exact".into())
        );
    }
}

/// Faults without an exception that starting the program takes.
fn gup_of_nothing(known: &str) -> i64 {
    let report = Report::of_run(&["stat", "--format", "json", "--", known, "touch:1"]);
    report.accounting("gup")
}

#[test]
fn a_process_killed_in_a_fault_leaves_an_interrupted_one() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let mut known = Known::waiting(&["wait", "touch:5", "stuck"]);
    let pid = known.pid();
    let tracer = Tracer::attached([
        "record",
        "--format",
        "json",
        "-o",
        path,
        "-p",
        &pid.to_string(),
    ]);
    known.go_on();
    known.until("stuck");
    wait_until("it sleeps in its fault", || {
        let wait = std::fs::read_to_string(format!("/proc/{pid}/wchan"));
        wait.is_ok_and(|place| place == "handle_userfault") && state_of(pid) == Some('S')
    });
    known.signal(Signal::SIGKILL);
    known.ended();
    let report = tracer.report();
    report.assert_nothing_unexplained();
    assert_eq!(report.accounting("open"), 0);
    assert_eq!(report.class("interrupted"), 1);

    let faults = jsonl(&recording);
    let ours = faults_in(&faults, 100);
    assert_eq!(ours.len(), 6);
    let (page, last) = ours[5];
    assert_eq!(page, 5);
    assert_eq!(last["family"], "retried");
    assert_eq!(last["class"], "interrupted");
    assert_eq!(last["latency_ns"], serde_json::Value::Null);
}

#[test]
fn a_fault_that_has_not_ended_is_open() {
    if !is_root() {
        return;
    }
    let mut known = Known::waiting(&["wait", "stuck"]);
    let pid = known.pid();
    let tracer = Tracer::attached(["stat", "--format", "json", "-p", &pid.to_string()]);
    known.go_on();
    known.until("stuck");
    wait_until("it sleeps in its fault", || {
        let wait = std::fs::read_to_string(format!("/proc/{pid}/wchan"));
        wait.is_ok_and(|place| place == "handle_userfault")
    });
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_nothing_unexplained();
    assert_eq!(report.accounting("open"), 1);
    assert!(known.is_alive());
}
