//! A tracer that is stopped under full load: what the ring then drops is counted to the last fault.

use std::{
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::{
    accounting::assert_kernel_agrees,
    support::{Report, Tracer, is_root, known_path, run, state_of, text, wait_until},
};

/// Pages that each of two threads touches a round, and rounds: a second of work at full speed.
const LOAD: [&str; 3] = ["10000", "10", "2"];
/// How long the tracer stands still at a time, ms: a ring of 1 MiB is full in a tenth of that.
const STANDSTILL_MS: std::ops::Range<u64> = 20..80;
const SEED: u64 = 6;

/// Stops the tracer and lets it go, over and over, until what it traces has ended while it stood still.
fn stop_and_go(tracer: &Tracer) {
    let mut random = fastrand::Rng::with_seed(SEED);
    let began = Instant::now();
    loop {
        tracer.signal(Signal::SIGSTOP);
        wait_until("the tracer stops", || state_of(tracer.pid()) == Some('T'));
        thread::sleep(Duration::from_millis(random.u64(STANDSTILL_MS)));
        // A zombie: its parent cannot have seen it yet.
        let has_ended = children_of(tracer.pid()).all(|child| state_of(child) == Some('Z'));
        tracer.signal(Signal::SIGCONT);
        if has_ended {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "it never ends");
        thread::sleep(Duration::from_millis(random.u64(STANDSTILL_MS)));
    }
}

/// The children that run `known`: the tracer may have others.
fn children_of(pid: u32) -> impl Iterator<Item = u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(path).expect("it is alive");
    let children: Vec<u32> = children
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .filter(|child| {
            let name = std::fs::read_to_string(format!("/proc/{child}/comm"));
            name.is_ok_and(|name| name.trim_end() == "known")
        })
        .collect();
    children.into_iter()
}

#[test]
fn a_tracer_that_stands_still_under_full_load_counts_what_it_dropped() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let known = known_path();
    let touch = known.with_file_name("touch");
    let programs = [&known, &touch].map(|path| path.to_str().expect("text"));
    let start = ["record", "--format", "json", "--buffer", "1MiB", "-o", path];
    let command = ["--", programs[0], "run", programs[1]];
    let tracer = Tracer::attached([&start[..], &command, &LOAD].concat());
    stop_and_go(&tracer);
    let output = tracer.output();

    let report = Report::of(&output);
    report.assert_balanced();
    assert_kernel_agrees(&report, &output);
    assert_eq!(report.accounting("unexplained"), 0);
    assert_eq!(report.accounting("open"), 0);
    let of = |name| report.accounting(name);
    assert_eq!(
        of("started"),
        of("recorded") + of("dropped") + of("filtered")
    );
    assert!(of("dropped") > 1000 && of("recorded") > 1000, "{report:#?}");

    let export = run(["export", "--to", "jsonl", path]);
    assert!(export.status.success(), "{}", text(&export.stderr));
    assert_eq!(text(&export.stdout).lines().count() as i64, of("recorded"));
    let again = Report::of_run(&["report", "--format", "json", path]);
    assert_eq!(again.0["accounting"], report.0["accounting"]);
}
