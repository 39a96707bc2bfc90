//! Faults on a thread's way out: since Linux 6.16 they come after `sched_process_exit`.

use std::path::Path;

use tempfile::tempdir;

use crate::support::{Report, is_root, jsonl, known_path, run};

fn stat(options: &[&str], steps: &[&str]) -> Report {
    let known = known_path();
    let known = known.to_str().expect("text");
    let before = ["stat", "--format", "json"];
    Report::of(&run([&before, options, &["--", known], steps].concat()))
}

#[test]
fn a_dead_process_leaves_no_fault_open() {
    if !is_root() {
        return;
    }
    for evidence in ["full", "core"] {
        let report = stat(&["--evidence", evidence], &["robust:10"]);
        report.assert_balanced();
        assert_eq!(report.class("kernel-efault"), 10, "{report:#?}");
        // A kernel may look at user memory without faulting, too.
        let failed = 10 + report.class("nofault-probe");
        assert_eq!(report.accounting("failed"), failed, "{report:#?}");
        assert_eq!(report.accounting("open"), 0, "{report:#?}");
        assert_eq!(report.accounting("unexplained"), 0, "{report:#?}");
    }
}

#[test]
fn a_dead_thread_leaves_no_fault_open() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let known = known_path();
    let report = Report::of(&run([
        "record".as_ref(),
        "--format".as_ref(),
        "json".as_ref(),
        "-o".as_ref(),
        recording.as_os_str(),
        "--".as_ref(),
        known.as_os_str(),
        "robust-threads:10".as_ref(),
        "touch:3".as_ref(),
    ]));
    report.assert_nothing_unexplained();
    assert_eq!(report.class("kernel-efault"), 10, "{report:#?}");
    assert_eq!(report.accounting("open"), 0, "{report:#?}");
    assert_told(&recording);
}

/// Each has its thread's name and id, and nothing that came after it.
fn assert_told(recording: &Path) {
    let faults = jsonl(recording);
    let ours: Vec<_> = faults
        .iter()
        .filter(|fault| fault["class"] == "kernel-efault")
        .collect();
    assert_eq!(ours.len(), 10);
    for fault in ours {
        assert_eq!(fault["address"], "0x1000");
        assert_eq!(fault["comm"], "known");
        assert_ne!(fault["tid"], fault["pid"]);
        let evidence = fault["evidence"].as_array().expect("a list");
        // A busy machine may take the CPU away in between.
        let told: Vec<_> = evidence.iter().filter(|bit| *bit != "preempted").collect();
        assert_eq!(told, ["confirmed", "kernel-mode"]);
    }
}
