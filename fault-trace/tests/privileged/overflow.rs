//! A ring buffer that is far too small: faults are dropped, counts are not.

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::support::{
    Known, Report, Tracer, faults_in, is_root, jsonl, range, run, state_of, text, wait_until,
};

/// Pages touched while nobody empties the ring, which holds some 50 faults.
const PAGES: usize = 5000;

#[test]
fn what_a_full_ring_drops_is_counted_and_the_totals_stay_exact() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let mut known = Known::waiting(&["wait", &format!("touch:{PAGES}"), "wait"]);
    let tracer = Tracer::attached([
        "record",
        "--format",
        "json",
        "--buffer",
        "4KiB",
        "--address",
        &range(PAGES),
        "-o",
        path,
        "-p",
        &known.pid().to_string(),
    ]);
    tracer.signal(Signal::SIGSTOP);
    wait_until("the tracer stops", || state_of(tracer.pid()) == Some('T'));
    known.go_on();
    known.until("ready");
    tracer.signal(Signal::SIGCONT);
    known.finish();

    let report = tracer.report();
    report.assert_balanced();
    assert_eq!(report.classes(), ["anon-alloc"]);
    assert_eq!(report.class("anon-alloc"), PAGES as i64);
    assert_eq!(report.number("/total/pages"), PAGES as i64);
    let (recorded, dropped) = (report.accounting("recorded"), report.accounting("dropped"));
    assert_eq!(recorded + dropped, PAGES as i64);
    assert!(
        recorded > 0 && dropped > PAGES as i64 / 2,
        "{recorded} {dropped}"
    );
    assert_eq!(report.accounting("unexplained"), 0);

    let faults = jsonl(&recording);
    assert_eq!(faults.len() as i64, recorded);
    assert_eq!(faults_in(&faults, PAGES).len() as i64, recorded);
    let output = run(["report", path]);
    assert!(
        text(&output.stdout).contains("the ring buffer was full"),
        "{output:?}"
    );
    let again = Report::of_run(&["report", "--format", "json", path]);
    assert_eq!(again.0["accounting"], report.0["accounting"]);
    assert_eq!(again.0["classes"], report.0["classes"]);
}
