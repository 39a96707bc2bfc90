//! How runs end, and what is left of them then.

use std::io::{BufRead, BufReader};

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::support::{
    Known, Report, Tracer, faults_in, is_root, jsonl, known_path, run, text, wait_until,
};

#[test]
fn an_interrupt_or_a_termination_ends_the_recording_of_a_process_in_order() {
    if !is_root() {
        return;
    }
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = tempdir().expect("a folder");
        let recording = folder.path().join("r.ftrace");
        let path = recording.to_str().expect("text");
        let mut known = Known::waiting(&["wait", "touch:321", "wait"]);
        let pid = known.pid().to_string();
        let tracer = Tracer::attached(["record", "--format", "json", "-o", path, "-p", &pid]);
        known.go_on();
        known.until("ready");
        tracer.signal(signal);
        let report = tracer.report();
        assert!(known.is_alive(), "only the tracing ends");
        report.assert_nothing_unexplained();
        assert_eq!(faults_in(&jsonl(&recording), 321).len(), 321);
        let again = Report::of_run(&["report", "--format", "json", path]);
        assert_eq!(again.0, report.0, "what was printed is what was recorded");
        known.finish();
    }
}

#[test]
fn any_signal_that_would_kill_the_tracer_ends_the_run_with_its_totals() {
    if !is_root() {
        return;
    }
    for number in [
        libc::SIGALRM,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGXCPU,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGIO,
        libc::SIGPWR,
        libc::SIGRTMIN(),
        libc::SIGRTMAX(),
    ] {
        let mut known = Known::waiting(&["wait", "touch:321", "wait"]);
        let pid = known.pid().to_string();
        let tracer = Tracer::attached(["stat", "--format", "json", "-p", &pid]);
        known.go_on();
        known.until("ready");
        tracer.signal_number(number);
        let output = tracer.output();
        assert_eq!(output.status.code(), Some(0), "signal {number}: {output:?}");
        let report = Report::printed(&output);
        report.assert_nothing_unexplained();
        assert!(report.accounting("started") >= 321, "signal {number}");
        known.finish();
    }
}

#[test]
fn a_signal_to_the_tracer_alone_ends_its_command_as_a_termination_does() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let ready = folder.path().join("ready");
    let script = format!("trap '' USR1; : > {}; exec sleep 1000", ready.display());
    let tracer = Tracer::attached(["stat", "--format", "json", "--", "sh", "-c", &script]);
    wait_until("the command is at rest", || ready.exists());
    tracer.signal(Signal::SIGUSR1);
    let output = tracer.output();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    Report::printed(&output).assert_nothing_unexplained();
}

#[test]
fn a_signal_to_the_group_ends_the_command_too_and_its_status_is_passed_on() {
    if !is_root() {
        return;
    }
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let folder = tempdir().expect("a folder");
        let recording = folder.path().join("r.ftrace");
        let path = recording.to_str().expect("text");
        let known = known_path();
        let known = known.to_str().expect("text");
        let ready = folder.path().join("ready");
        let script = format!(
            "{known} touch:200; : > {}; exec sleep 1000",
            ready.display()
        );
        let tracer = Tracer::attached([
            "record", "--format", "json", "-o", path, "--", "sh", "-c", &script,
        ]);
        wait_until("the command is at rest", || ready.exists());
        tracer.signal_group(signal);
        let output = tracer.output();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let report = Report::printed(&output);
        report.assert_balanced();
        assert_eq!(report.number("/exit_status"), i64::from(status));
        assert_eq!(faults_in(&jsonl(&recording), 200).len(), 200);
    }
}

#[test]
fn a_termination_is_passed_on_to_the_command_which_may_tidy_up() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let ready = folder.path().join("ready");
    let script = format!(
        "trap 'sleep 0.3; exit 9' TERM; : > {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let tracer = Tracer::attached(["stat", "--format", "json", "--", "sh", "-c", &script]);
    wait_until("the command is at rest", || ready.exists());
    tracer.signal(Signal::SIGTERM);
    let output = tracer.output();
    assert_eq!(output.status.code(), Some(9), "{output:?}");
    Report::printed(&output).assert_nothing_unexplained();
}

#[test]
fn a_command_that_ignores_a_termination_does_not_keep_the_run_from_ending() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let ready = folder.path().join("ready");
    let script = format!(
        "trap '' TERM; exec >/dev/null 2>&1; : > {0}; while [ -e {0} ]; do sleep 0.01; done",
        ready.display(),
    );
    let tracer = Tracer::attached(["stat", "--format", "json", "--", "sh", "-c", &script]);
    wait_until("the command is at rest", || ready.exists());
    tracer.signal(Signal::SIGTERM);
    let report = tracer.report();
    report.assert_balanced();
    assert_eq!(report.0["exit_status"], serde_json::Value::Null);
    // The command ends when the folder is gone.
}

#[test]
fn a_run_stops_after_its_duration() {
    if !is_root() {
        return;
    }
    let mut known = Known::waiting(&["wait"]);
    let pid = known.pid().to_string();
    let report = Report::of_run(&[
        "stat",
        "--format",
        "json",
        "--duration",
        "200ms",
        "-p",
        &pid,
    ]);
    report.assert_nothing_unexplained();
    assert!(report.number("/duration_ns") >= 200_000_000);
    assert!(known.is_alive());
    let report = Report::of_run(&["stat", "--format", "json", "--duration", "200ms", "-a"]);
    report.assert_balanced();
}

#[test]
fn a_command_that_outlives_the_duration_goes_on() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let done = folder.path().join("done");
    let go = folder.path().join("go");
    let script = format!(
        "exec >/dev/null 2>&1; until [ -e {} ]; do sleep 0.01; done; : > {}",
        go.display(),
        done.display()
    );
    let start = ["stat", "--format", "json", "--duration", "100ms", "--"];
    let report = Report::of_run(&[&start[..], &["sh", "-c", &script]].concat());
    report.assert_balanced();
    assert_eq!(report.0["exit_status"], serde_json::Value::Null);
    std::fs::write(&go, "").expect("written");
    wait_until("the command goes on", || done.exists());
}

#[test]
fn a_closed_pipe_ends_a_trace_quietly() {
    if !is_root() {
        return;
    }
    let mut known = Known::waiting(&["wait", "touch:20000", "wait"]);
    let mut tracer = Tracer::attached(["trace", "-p", &known.pid().to_string()]);
    let stdout = tracer.child().stdout.take().expect("piped");
    let mut header = String::new();
    BufReader::new(stdout).read_line(&mut header).expect("text");
    assert!(header.contains("latency"), "{header}");
    known.go_on();
    known.until("ready");
    let output = tracer.output();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "");
    assert!(known.is_alive());
}

#[test]
fn a_trace_prints_a_line_for_every_fault() {
    if !is_root() {
        return;
    }
    let known = known_path();
    let output = run(["trace", "--", known.to_str().expect("text"), "touch:150"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    let of_page = |page: usize| format!(" {:#x} ", crate::support::START + page * 4096);
    for page in 0..150 {
        let address = of_page(page);
        let of_page: Vec<_> = lines
            .iter()
            .filter(|line| line.contains(&address))
            .collect();
        let [line] = of_page.as_slice() else {
            panic!("one line of {address}: {of_page:?}");
        };
        assert!(
            line.contains("anon-alloc") && line.contains("write"),
            "{line}"
        );
    }
    let books = text(&output.stderr);
    let all = format!(
        "started      {} = {} ended + 0 failed + 0 open; all recorded",
        lines.len() - 1,
        lines.len() - 1
    );
    assert!(books.contains(&all), "{all}: {books}");
}
