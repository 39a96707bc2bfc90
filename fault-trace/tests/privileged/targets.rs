//! Whom to trace: processes with their children, threads, and those that do not exist.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    process::Command,
};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::tempdir;

use crate::support::{
    Known, Report, Tracer, fault_trace, faults_in, is_root, jsonl, known_path, range, run, text,
};

/// How many faults each pid or tid has.
fn by(key: &str, faults: &[(usize, &Value)]) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for (_, fault) in faults {
        *counts
            .entry(fault[key].as_u64().expect("a number"))
            .or_default() += 1;
    }
    counts
}

#[test]
fn a_process_is_traced_with_all_its_threads_and_later_children() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    // The threads run before the tracer comes, the children are forked after.
    let mut known = Known::waiting(&["threads:4:250", "forks:3:50", "touch:10"]);
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
    assert!(known.ended().success());
    // The run ends with its only process.
    let report = tracer.report();
    report.assert_nothing_unexplained();
    assert_eq!(report.processes().len(), 4);
    assert_eq!(report.0["target"], format!("pid {pid}"));

    let faults = jsonl(&recording);
    let in_threads = faults_in(&faults, 1000);
    let threads = by("tid", &in_threads);
    assert_eq!(threads.values().copied().collect::<Vec<_>>(), [250; 4]);
    assert!(
        !threads.contains_key(&pid.into()),
        "the main thread touched nothing of it"
    );
    assert_eq!(by("pid", &in_threads), [(pid.into(), 1000)].into());

    let after: Vec<_> = faults_in(&faults, 10_000)
        .into_iter()
        .filter(|(page, _)| *page >= 1000)
        .collect();
    let mut processes = by("pid", &after);
    assert_eq!(processes.remove(&pid.into()), Some(10));
    assert_eq!(processes.into_values().collect::<Vec<_>>(), [50; 3]);
}

#[test]
fn a_thread_is_traced_alone() {
    if !is_root() {
        return;
    }
    let mut known = Known::waiting(&["threads:3:200", "wait"]);
    let pid = known.pid();
    let tid = fs::read_dir(format!("/proc/{pid}/task"))
        .expect("it is alive")
        .map(|entry| entry.expect("a thread").file_name())
        .filter_map(|name| name.to_str()?.parse::<u32>().ok())
        .find(|tid| *tid != pid)
        .expect("it has threads");
    let range = range(600);
    let tid = tid.to_string();
    let tracer = Tracer::attached(["stat", "--format", "json", "--address", &range, "-t", &tid]);
    known.go_on();
    known.until("ready");
    // The run ends with its only thread; the process lives on.
    let report = tracer.report();
    assert!(known.is_alive());
    report.assert_balanced();
    assert_eq!(report.class("anon-alloc"), 200);
    assert_eq!(report.number("/total/count"), 200);
    assert_eq!(report.processes().len(), 1);
    assert_eq!(report.0["target"], format!("tid {tid}"));
    known.finish();
}

#[test]
fn several_processes_are_traced_until_the_last_has_ended() {
    if !is_root() {
        return;
    }
    let one = Known::waiting(&["wait", "touch:30"]);
    let other = Known::waiting(&["wait", "touch:40"]);
    let bystander = Known::waiting(&["wait", "touch:50"]);
    let pids = format!("{},{}", one.pid(), other.pid());
    let range = range(100);
    let tracer = Tracer::attached(["stat", "--format", "json", "--address", &range, "-p", &pids]);
    one.finish();
    bystander.finish();
    other.finish();
    let report = tracer.report();
    report.assert_balanced();
    assert_eq!(report.class("anon-alloc"), 70);
}

#[test]
fn a_process_that_does_not_exist_is_named() {
    if !is_root() {
        return;
    }
    let mut gone = Command::new("true").spawn().expect("true starts");
    gone.wait().expect("a child");
    let pid = gone.id().to_string();
    for (option, what) in [("-p", "process"), ("-t", "thread")] {
        let output = run(["stat", option, &pid]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let message = text(&output.stderr);
        assert!(
            message.contains(&format!("there is no {what} {pid}")),
            "{message}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_process_that_takes_no_faults_is_fine() {
    if !is_root() {
        return;
    }
    let known = Known::waiting(&["wait"]);
    let tracer = Tracer::attached(["stat", "--format", "json", "-p", &known.pid().to_string()]);
    tracer.signal(Signal::SIGINT);
    let report: Report = tracer.report();
    report.assert_balanced();
    assert_eq!(report.accounting("started"), 0);
    assert_eq!(report.processes(), [] as [Value; 0]);
}

#[test]
fn thousands_of_threads_at_the_same_time_are_told_apart() {
    if !is_root() {
        return;
    }
    // More than find an entry of their own: some hundreds have their state in task storage.
    const THREADS: usize = 3000;
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let go = folder.path().join("go");
    fs::write(&go, "!").expect("written");
    let output = fault_trace()
        .args(["record", "--format", "json", "-o"])
        .args([&recording, Path::new("--"), &known_path()])
        .args([format!("threads:{THREADS}:3"), "forks:2:5".to_owned()])
        .stdin(File::open(go).expect("readable"))
        .output()
        .expect("fault-trace starts");
    let report = Report::of(&output);
    report.assert_nothing_unexplained();

    let faults = jsonl(&recording);
    let threads = by("tid", &faults_in(&faults, 3 * THREADS));
    assert_eq!(threads.len(), THREADS);
    assert!(threads.values().all(|&count| count == 3));
}
