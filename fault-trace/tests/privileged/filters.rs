//! Filters: what they leave out is counted, what they let through is exact.

use tempfile::tempdir;

use crate::support::{Report, faults_in, is_root, jsonl, known_path, range, run, text};

/// Records `known` with these filters and steps; the report and the recorded faults.
fn record(filters: &[&str], steps: &[&str]) -> (Report, Vec<serde_json::Value>) {
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let known = known_path();
    let start = [
        "record",
        "--format",
        "json",
        "-o",
        recording.to_str().expect("text"),
    ];
    let program = ["--", known.to_str().expect("text")];
    let arguments: Vec<&str> = [&start[..], filters, &program, steps].concat();
    let report = Report::of_run(&arguments);
    report.assert_balanced();
    assert_eq!(report.accounting("dropped"), 0);
    let faults = jsonl(&recording);
    assert_eq!(faults.len() as i64, report.accounting("recorded"));
    (report, faults)
}

#[test]
fn a_class_is_all_that_is_left() {
    if !is_root() {
        return;
    }
    let (report, faults) = record(&["--class", "anon-alloc"], &["touch:400", "efault:3"]);
    assert_eq!(report.classes(), ["anon-alloc"]);
    assert_eq!(faults_in(&faults, 400).len(), 400);
    assert!(faults.iter().all(|fault| fault["class"] == "anon-alloc"));
    assert!(report.accounting("filtered") > 3);
    assert_eq!(
        report.accounting("unexplained"),
        0,
        "filters leave nothing unexplained"
    );
}

#[test]
fn a_family_is_all_that_is_left() {
    if !is_root() {
        return;
    }
    let (report, faults) = record(&["--family", "kernel,bad-area"], &["touch:400", "efault:9"]);
    let at_pages = faults_in(&faults, 401);
    assert_eq!(at_pages.len(), 9);
    assert!(
        at_pages
            .iter()
            .all(|(page, fault)| *page == 400 && fault["class"] == "kernel-efault")
    );
    assert!(faults.iter().all(|fault| fault["family"] == "kernel"));
    assert_eq!(report.number("/total/count"), faults.len() as i64);
}

#[test]
fn a_mode_is_all_that_is_left() {
    if !is_root() {
        return;
    }
    let range = range(301);
    for (mode, class, count) in [("user", "anon-alloc", 300), ("kernel", "kernel-efault", 6)] {
        let filters = ["--mode", mode, "--address", &range];
        let (report, faults) = record(&filters, &["touch:300", "efault:6"]);
        assert_eq!(report.classes(), [class]);
        assert_eq!(report.class(class), count);
        assert_eq!(faults.len() as i64, count);
        assert!(faults.iter().all(|fault| fault["mode"] == mode));
    }
}

#[test]
fn a_least_latency_thins_the_recording_and_not_the_totals() {
    if !is_root() {
        return;
    }
    let (report, faults) = record(&["--min-latency", "1h"], &["touch:500"]);
    assert!(report.class("anon-alloc") >= 500);
    assert_eq!(report.number("/total/untimed"), faults.len() as i64);
    assert_eq!(report.number("/total/count"), report.accounting("started"));
    assert_eq!(report.accounting("unexplained"), 0);
}

#[test]
fn a_sample_thins_the_recording_and_not_the_totals() {
    if !is_root() {
        return;
    }
    let range = range(8000);
    let filters = ["--sample", "1/8", "--address", &range];
    let (report, faults) = record(&filters, &["touch:8000"]);
    assert_eq!(report.class("anon-alloc"), 8000);
    assert_eq!(report.number("/options/sample"), 8);
    // One in eight, 32 standard deviations either way.
    assert!((50..=1950).contains(&faults.len()), "{}", faults.len());
}

/// The rows of the processes are the total, in every figure that both have.
fn assert_rows_are_the_total(report: &Report) {
    assert_eq!(report.accounting("unexplained"), 0, "{report:#?}");
    let sum = |key: &str| -> i64 {
        let rows = report.processes().iter();
        rows.map(|row| row["passed"][key].as_i64().expect("a number"))
            .sum()
    };
    assert_eq!(sum("faults"), report.number("/total/count"), "{report:#?}");
    assert_eq!(sum("major"), report.number("/total/major"));
    let latency_ns = report.0.pointer("/total/latency_ns/sum");
    let latency_ns = latency_ns.and_then(serde_json::Value::as_i64).unwrap_or(0);
    assert_eq!(sum("latency_ns"), latency_ns);
    let closed = report.accounting("ended") + report.accounting("failed");
    let left_out = closed - report.number("/total/count");
    assert_eq!(report.accounting("left_out"), left_out);
}

#[test]
fn the_tables_of_a_filtered_run_hold_what_passed() {
    if !is_root() {
        return;
    }
    let known = known_path();
    let script = format!(
        "{0} touch:300 efault:2; {0} forks:2:40; true",
        known.display()
    );
    let program = ["--", "sh", "-c", &script];
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let range = range(300);
    // The last is known from the mapping only.
    for filter in [
        ["--address", &range],
        ["--family", "bad-area,kernel"],
        ["--mode", "kernel"],
        ["--class", "file-cached,write-reuse"],
        ["--class", "stack-growth"],
    ] {
        let start = ["record", "--format", "json", "--overwrite", "-o"];
        let start = [&start[..], &[recording.to_str().expect("text")]].concat();
        let report = Report::of_run(&[&start[..], &filter, &program].concat());
        report.assert_balanced();
        assert_rows_are_the_total(&report);
        if filter[1] != "stack-growth" {
            let start = ["stat", "--format", "json"];
            let report = Report::of_run(&[&start[..], &filter, &program].concat());
            report.assert_balanced();
            assert_rows_are_the_total(&report);
        }
    }
}

#[test]
fn where_nothing_passes_there_is_no_table() {
    if !is_root() {
        return;
    }
    let script = "ls / > /dev/null; ls / > /dev/null";
    let arguments = ["stat", "--address", "0x0-0x1000", "--", "sh", "-c", script];
    let output = run(arguments);
    assert!(output.status.success(), "{output:?}");
    let shown = text(&output.stdout);
    assert!(shown.contains("none passed the filters"), "{shown}");
    assert!(
        shown.contains("(100%) left out by --address 0x0-0x1000"),
        "{shown}"
    );
    for table in ["Processes", "Classes", "not recorded"] {
        assert!(!shown.contains(table), "{shown}");
    }
}
