//! Faults without an exception: exactly as many as the threads' own counters in the kernel moved, by what they did.

use std::{fs, thread, time::Duration};

use nix::sys::signal::Signal;

use crate::support::{
    Known, Report, Tracer, fault_trace, is_root, known_path, tells_residency, text,
};

/// What a kind of `known` does, and with which memory: keys of `gup_by`.
const KINDS: [(&str, &str); 10] = [
    ("private", "zeroed"),
    ("shared", "shared"),
    ("memfd", "shared"),
    ("zero", "other"),
    ("mlock", "copied"),
    ("file-private", "copied"),
    ("file-shared", "file"),
    ("huge", "zeroed"),
    ("locked", "zeroed"),
    ("remote", "zeroed"),
];
const PAGES: i64 = 64;

/// The sums of the "moved MINOR MAJOR" in what `known` said.
fn moved<'a>(lines: impl IntoIterator<Item = &'a str>) -> (i64, i64) {
    let moved = lines.into_iter().filter_map(|line| {
        let (minor, major) = line.strip_prefix("moved ")?.split_once(' ')?;
        Some((minor.parse::<i64>().ok()?, major.parse::<i64>().ok()?))
    });
    moved.fold((0, 0), |sum, moved| (sum.0 + moved.0, sum.1 + moved.1))
}

/// A launched `known`, and what its threads' counters moved.
fn launched(steps: &[&str]) -> (Report, i64, i64) {
    let known = known_path();
    let mut command = fault_trace();
    let start = ["stat", "--format", "json", "--"];
    let output = command.args(start).arg(known).args(steps).output();
    let output = output.expect("fault-trace starts");
    let report = Report::of(&output);
    report.assert_nothing_unexplained();
    assert_eq!(report.0["accounting"]["kernel"]["source"], "rusage");
    let (minor, major) = moved(text(&output.stderr).lines());
    (report, minor, major)
}

/// What the kernel does for an `exec` of `known`.
fn gup_of_nothing() -> i64 {
    launched(&["touch:1"]).0.accounting("gup")
}

fn by(report: &Report, key: &str) -> i64 {
    report.number(&format!("/accounting/gup_by/{key}"))
}

#[test]
fn each_kind_is_counted_exactly_and_by_what_it_did() {
    if !is_root() {
        return;
    }
    let exec = gup_of_nothing();
    for (kind, deed) in KINDS {
        let step = format!("silent:{kind}:{PAGES}");
        let (report, minor, major) = launched(&[&step]);
        assert!(minor > 0, "{kind}: the kernel counts it");
        assert_eq!(
            report.accounting("gup"),
            minor + major + exec,
            "{kind}: {report:#?}"
        );
        assert_eq!(by(&report, "major"), major, "{kind}: {report:#?}");
        if matches!(deed, "zeroed" | "other") || tells_residency() {
            // What an exec does comes on top.
            let did = by(&report, deed);
            assert!((minor..=minor + exec).contains(&did), "{kind}: {report:#?}");
        }
        let pages = match deed {
            "zeroed" if kind == "huge" => 512,
            "zeroed" | "shared" => PAGES,
            _ => continue,
        };
        if deed == "zeroed" || tells_residency() {
            let new = by(&report, &format!("{deed}_pages"));
            assert!((pages..=pages + exec).contains(&new), "{kind}: {report:#?}");
        }
    }
}

#[test]
fn threads_that_fault_without_an_exception_are_counted_each() {
    if !is_root() {
        return;
    }
    let exec = gup_of_nothing();
    for (kind, _) in KINDS {
        // These fork, which is for one thread.
        if matches!(kind, "mlock" | "remote") {
            continue;
        }
        let step = format!("silent-threads:4:{kind}:{PAGES}");
        let (report, minor, major) = launched(&[&step, "touch:10", &step]);
        assert!(minor >= 8, "{kind}: the kernel counts it");
        assert_eq!(
            report.accounting("gup"),
            minor + major + exec,
            "{kind}: {report:#?}"
        );
    }
}

/// Counts what `known` does between two waits.
fn attached(option: &str, steps: &[&str]) -> (Report, i64) {
    // From its first exception on it is known, whenever its counters were read.
    let mut known = Known::waiting(&[&["wait", "touch:1"], steps, &["wait"]].concat());
    let pid = known.pid().to_string();
    let tracer = Tracer::attached(["stat", "--format", "json", option, &pid]);
    known.go_on();
    let mut lines = Vec::new();
    loop {
        match known.message() {
            line if line == "ready" => break,
            line => lines.push(line),
        }
    }
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    known.finish();
    report.assert_nothing_unexplained();
    let (minor, major) = moved(lines.iter().map(String::as_str));
    (report, minor + major)
}

#[test]
fn a_live_process_is_counted_up_to_the_stop() {
    if !is_root() {
        return;
    }
    for (kind, _) in KINDS {
        let step = format!("silent:{kind}:{PAGES}");
        let (report, moved) = attached("--pid", &[&step]);
        assert!(moved > 0, "{kind}: the kernel counts it");
        assert_eq!(report.accounting("gup"), moved, "{kind}: {report:#?}");
    }
}

#[test]
fn a_live_thread_is_counted_up_to_the_stop() {
    if !is_root() {
        return;
    }
    let (report, moved) = attached("--tid", &["silent:shared:64", "touch:5", "silent:zero:64"]);
    assert_eq!(report.accounting("gup"), moved, "{report:#?}");
    assert!(moved >= 128);
}

#[test]
fn an_access_that_failed_before_is_neither_completed_nor_without_an_exception() {
    if !is_root() {
        return;
    }
    let exec = gup_of_nothing();
    for kind in ["zero", "private", "shared"] {
        let step = format!("silent:{kind}:{PAGES}");
        let (report, minor, _) = launched(&["efault:3", &step, "efault:1", &step]);
        assert_eq!(
            report.accounting("gup"),
            minor + exec,
            "{kind}: {report:#?}"
        );
        assert_eq!(report.class("kernel-efault"), 4, "{kind}: {report:#?}");
    }
}

/// Faults of a process by /proc/PID/stat: minor and major.
fn faults_of(pid: u32) -> i64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    let field = |index: usize| -> i64 {
        let field = fields.split(' ').nth(index).expect("a field");
        field.parse().expect("a number")
    };
    field(7) + field(9)
}

#[test]
fn a_process_that_populates_while_the_tracer_attaches_and_stops_is_counted() {
    if !is_root() {
        return;
    }
    for _ in 0..3 {
        let known = Known::start(&["silent-for-ever:64"]);
        let pid = known.pid();
        while faults_of(pid) < 10_000 {
            thread::sleep(Duration::from_millis(5));
        }
        let before = faults_of(pid);
        let pid_text = pid.to_string();
        let arguments = [
            "stat",
            "--format",
            "json",
            "--duration",
            "500ms",
            "--pid",
            &pid_text,
        ];
        let report = Report::of_run(&arguments);
        let most = faults_of(pid) - before;
        report.assert_balanced();
        assert_eq!(report.accounting("unexplained"), 0, "{report:#?}");
        let gup = report.accounting("gup");
        assert!((1..=most).contains(&gup), "{gup} of {most}: {report:#?}");
        // In the half second, at least, whatever the machine does besides.
        assert!(gup > 64, "{report:#?}");
        assert_eq!(report.process(pid)["gup"], gup);
    }
}
