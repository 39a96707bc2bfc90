//! Calibration: that its figures hang together. How long anything takes is the machine's affair.

use crate::{
    is_root,
    support::{Report, run},
};

#[test]
fn the_estimate_is_the_raw_time_and_the_correction_of_each_fault() {
    if !is_root() {
        return;
    }
    let report = Report::of(&run([
        "stat",
        "--calibrate",
        "--format",
        "json",
        "--",
        "true",
    ]));
    let of = |pointer: &str| report.number(pointer);
    assert_eq!(
        report.0["calibration"]["modes"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(report.0["calibration"]["modes"][0]["mode"], "stat");
    assert!(of("/calibration/untraced_ns/median") > 0);
    let mode = |figure: &str| of(&format!("/calibration/modes/0/{figure}/median"));
    assert!(mode("whole_ns") > 0 && mode("reported_ns") > 0);
    assert!(
        mode("reported_ns") < mode("whole_ns"),
        "START and END lie within the access: {:#}",
        report.0["calibration"]
    );
    assert_eq!(
        of("/estimate/faults"),
        of("/total/count") - of("/total/untimed")
    );
    assert_eq!(of("/estimate/raw_ns"), of("/total/latency_ns/sum"));
    assert_eq!(of("/estimate/correction_ns/median"), mode("correction_ns"));
    let expected = of("/estimate/raw_ns") + mode("correction_ns") * of("/estimate/faults");
    assert_eq!(of("/estimate/whole_ns"), expected.max(0));
}

#[test]
fn without_being_asked_for_there_is_no_estimate() {
    if !is_root() {
        return;
    }
    let report = Report::of_run(&["stat", "--format", "json", "--", "true"]);
    assert!(report.0.get("calibration").is_none() && report.0.get("estimate").is_none());
}
