//! Real programs: every fault that the kernel counted was seen.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use tempfile::tempdir;

use crate::support::{Report, has, is_root, known_path, run, text};

/// Runs a command under `known`, both traced. What wait4 told `known` about the command is what was
/// seen of the command and its descendants.
fn assert_accounted(command: &[&str]) -> Report {
    let known = known_path();
    let start = [
        "stat",
        "--format",
        "json",
        "--",
        known.to_str().expect("text"),
        "run",
    ];
    let output = run(start.iter().chain(command));
    let report = Report::of(&output);
    report.assert_nothing_unexplained();
    assert_eq!(report.accounting("open"), 0);
    let kernel = &report.0["accounting"]["kernel"];
    assert_eq!(kernel["source"], "rusage");

    assert_kernel_agrees(&report, &output);
    report
}

/// What wait4 told `known` about the command that it ran is what was seen of all but `known`.
pub(crate) fn assert_kernel_agrees(report: &Report, output: &Output) {
    let (minor, major) = usage(output);
    let is_known = |row: &&serde_json::Value| row["comm"] != "known";
    let sum = |key: &str| -> i64 {
        let rows = report.processes().iter().filter(is_known);
        rows.map(|row| row[key].as_i64().expect("a count")).sum()
    };
    assert_eq!(sum("ended") + sum("gup"), minor + major, "{report:#?}");
    assert_eq!(sum("major"), major, "{report:#?}");
}

/// What `known` said of wait4.
fn usage(output: &Output) -> (i64, i64) {
    let message = text(&output.stderr);
    let numbers = message.lines().find_map(|line| line.strip_prefix("usage "));
    let numbers = numbers.unwrap_or_else(|| panic!("no usage: {message}"));
    let (minor, major) = numbers.split_once(' ').expect("two numbers");
    (
        minor.parse().expect("a number"),
        major.parse().expect("a number"),
    )
}

#[test]
fn a_program_that_reads_many_directories_is_accounted_for() {
    if !is_root() {
        return;
    }
    let report = assert_accounted(&["ls", "-lR", "/usr/share"]);
    assert_eq!(report.processes().len(), 2);
}

#[test]
fn an_interpreter_is_accounted_for() {
    if !is_root() || !has("python3") {
        return;
    }
    assert_accounted(&[
        "python3",
        "-c",
        "x = [str(i) for i in range(200_000)]; print(len(x))",
    ]);
}

#[test]
fn a_compiler_and_its_tools_are_accounted_for() {
    if !is_root() || !has("gcc") {
        return;
    }
    let folder = tempdir().expect("a folder");
    let source = folder.path().join("a.c");
    fs::write(&source, "int main(void) { return 0; }\n").expect("written");
    let program = folder.path().join("a");
    let report = assert_accounted(&[
        "gcc",
        "-O2",
        "-o",
        program.to_str().expect("text"),
        source.to_str().expect("text"),
    ]);
    assert!(program.exists());
    assert!(
        report.processes().len() > 3,
        "gcc runs a compiler, an assembler, a linker"
    );
}

#[test]
fn a_shell_that_forks_a_lot_is_accounted_for() {
    if !is_root() {
        return;
    }
    let report = assert_accounted(&["sh", "-c", "for i in $(seq 100); do /bin/true; done"]);
    assert!(report.processes().len() >= 102);
    let subshells = "for i in $(seq 50); do (/bin/true; :); done";
    let report = assert_accounted(&["sh", "-c", subshells]);
    assert!(report.processes().len() >= 102);
    assert!(
        report.class("cow-anon") >= 50,
        "a forked shell writes to its memory"
    );
}

#[test]
fn a_thousand_short_lived_processes_are_all_counted() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let known = known_path();
    let report = Report::of_run(&[
        "record",
        "--format",
        "json",
        "-o",
        recording.to_str().expect("text"),
        "--",
        known.to_str().expect("text"),
        "forks:1000:3",
    ]);
    report.assert_nothing_unexplained();
    assert_eq!(report.processes().len(), 1001);
    assert_eq!(report.accounting("open"), 0);
    assert_eq!(report.accounting("recorded"), report.accounting("started"));
    let faults = crate::support::jsonl(&recording);
    let ours = crate::support::faults_in(&faults, 3);
    assert_eq!(ours.len(), 3000);
    assert!(ours.iter().all(|(_, fault)| fault["class"] == "anon-alloc"));
}

#[test]
fn a_process_that_faults_while_the_tracer_attaches_is_counted_from_one_moment() {
    if !is_root() {
        return;
    }
    let touch = known_path().with_file_name("touch");
    for _ in 0..3 {
        let mut busy = Command::new(&touch)
            .args(["10000", "100000"])
            .stdout(Stdio::null())
            .spawn()
            .expect("touch starts");
        let pid = busy.id().to_string();
        let report = Report::of_run(&[
            "stat",
            "--format",
            "json",
            "-p",
            &pid,
            "--duration",
            "300ms",
        ]);
        busy.kill().expect("it runs");
        busy.wait().expect("a child");
        assert!(report.accounting("ended") > 0);
        // Each of its faults is an exception.
        assert_eq!(report.accounting("gup"), 0, "{report:#?}");
        report.assert_balanced();
        // One may have been in progress at that moment.
        let in_progress = report.0["losses"]["end_unmatched"].as_i64().unwrap_or(0);
        assert!(in_progress <= 1, "{report:#?}");
        assert_eq!(report.accounting("unexplained"), 0, "{report:#?}");
    }
}
