//! A known number of faults is counted, no matter who counts how.

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::support::{
    Known, Report, Tracer, faults_in, is_root, jsonl, known_path, range, run, state_of, text,
    wait_until,
};

#[test]
fn every_fresh_page_is_recorded_once_as_an_anonymous_write() {
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
        "touch:3000",
    ]);
    report.assert_nothing_unexplained();

    let faults = jsonl(&recording);
    assert_eq!(faults.len() as i64, report.accounting("recorded"));
    let ours = faults_in(&faults, 10_000);
    let pages: Vec<usize> = ours.iter().map(|(page, _)| *page).collect();
    assert_eq!(
        pages,
        (0..3000).collect::<Vec<_>>(),
        "in the order of the writes"
    );
    for (_, fault) in ours {
        assert_eq!(fault["class"], "anon-alloc", "{fault}");
        assert_eq!(fault["confidence"], "exact", "{fault}");
        assert_eq!(fault["mode"], "user", "{fault}");
        assert_eq!(fault["access"], "write", "{fault}");
        assert_eq!(fault["comm"], "known", "{fault}");
        assert_eq!(fault["pages"], 1, "{fault}");
        assert_eq!(fault["major"], false, "{fault}");
    }
}

#[test]
fn stat_counts_exactly_the_pages_of_a_range() {
    if !is_root() {
        return;
    }
    let known = known_path();
    let known = known.to_str().expect("text");
    // Half of the pages lie in the range.
    let report = Report::of_run(&[
        "stat",
        "--format",
        "json",
        "--address",
        &range(2500),
        "--",
        known,
        "touch:5000",
    ]);
    assert_eq!(report.classes(), ["anon-alloc"]);
    assert_eq!(report.number("/total/count"), 2500);
    assert_eq!(report.number("/total/exact"), 2500);
    assert_eq!(report.number("/total/pages"), 2500);
    assert!(report.accounting("filtered") >= 2500);
    report.assert_balanced();
}

#[test]
fn two_tracers_of_a_process_agree() {
    if !is_root() {
        return;
    }
    let known = Known::waiting(&["wait", "touch:2000", "threads:3:500", "forks:4:50"]);
    known.signal(Signal::SIGSTOP);
    let pid = known.pid();
    wait_until("it stops", || state_of(pid) == Some('T'));
    let tracer = || Tracer::attached(["stat", "--format", "json", "-p", &pid.to_string()]);
    let (one, other) = (tracer(), tracer());
    known.signal(Signal::SIGCONT);
    let mut known = known;
    known.go_on();
    known.until("ready");
    known.finish();
    let (one, other) = (one.report(), other.report());
    for report in [&one, &other] {
        report.assert_nothing_unexplained();
        assert!(report.class("anon-alloc") >= 2000 + 3 * 500 + 4 * 50);
    }
    let counts = |report: &Report| {
        let mut counts: Vec<(String, i64)> = report
            .classes()
            .into_iter()
            .map(|class| (class.to_owned(), report.class(class)))
            .collect();
        for name in ["started", "ended", "failed", "open", "gup"] {
            counts.push((name.to_owned(), report.accounting(name)));
        }
        for row in report.processes() {
            counts.push((
                row["pid"].to_string(),
                row["ended"].as_i64().expect("a count"),
            ));
        }
        counts.sort();
        counts
    };
    assert_eq!(counts(&one), counts(&other));
}

#[test]
fn a_run_without_faults_of_ours_is_said_to_have_none() {
    if !is_root() {
        return;
    }
    let output = run([
        "stat",
        "--address",
        "0x123000000000-0x123000001000",
        "--",
        "true",
    ]);
    assert!(output.status.success());
    let text = text(&output.stdout);
    assert!(text.contains("faults       none"), "{text}");
}
