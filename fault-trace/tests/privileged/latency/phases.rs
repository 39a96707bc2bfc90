//! Phases against programs that make their faults wait for something known.

use std::ops::Range;

use fault_trace::model::Fault;
use fault_trace_common::{Evidence, phase::Phase};
use serde_json::Value;

use super::{faults, record};
use crate::{
    is_root,
    support::{Report, lab, run, skip, text},
};

/// A scenario's exit status where the machine cannot provoke it.
const SKIPPED: i32 = 77;

/// What a scenario expects of the faults in a range.
struct Expected {
    pid: u64,
    range: Range<u64>,
    line: Value,
}

/// Records a scenario of `workloads`: what it expects, and the faults that it means. `None`, and said,
/// where the machine cannot provoke it.
fn recorded(scenario: &str) -> Option<(Expected, Vec<Fault>)> {
    let folder = tempfile::tempdir().expect("temporary directory");
    let recording = folder.path().join("r.ftrace");
    let workloads = lab("workloads");
    let program = workloads.to_str().expect("text");
    let output = record(&recording, &[], &[program, scenario, "--traced"]);
    if output.status.code() == Some(SKIPPED) {
        skip(&format!("{scenario}: {}", text(&output.stdout)));
        return None;
    }
    assert!(output.status.success(), "{output:?}");
    let expected = text(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line.get("scenario").is_some())
        .map(expected)
        .expect("an expectation");
    let mut faults = faults(&recording);
    faults.retain(|fault| {
        u64::from(fault.pid) == expected.pid && expected.range.contains(&fault.address)
    });
    assert_eq!(Some(faults.len() as u64), expected.line["count"].as_u64());
    Some((expected, faults))
}

fn expected(line: Value) -> Expected {
    let address = |key: &str| {
        let text = line[key].as_str().expect("an address");
        u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("hexadecimal")
    };
    Expected {
        pid: line["pid"].as_u64().expect("a pid"),
        range: address("start")..address("end"),
        line,
    }
}

/// No part is more than the whole.
fn assert_parts_of_latency(faults: &[Fault]) {
    for fault in faults {
        let measured: u64 = fault.phases_ns.iter().sum();
        let latency_ns = fault.latency_ns.expect("it ended");
        assert!(measured <= latency_ns, "{fault:?}");
        let all: u64 = Phase::ALL.map(|phase| fault.phase_ns(phase)).iter().sum();
        assert_eq!(all, latency_ns, "{fault:?}");
    }
}

/// Holds what a scenario made its faults spend against the phases that were recorded.
fn prove(scenario: &str) {
    if !is_root() {
        return;
    }
    let Some((expected, faults)) = recorded(scenario) else {
        return;
    };
    assert_parts_of_latency(&faults);
    let spends = &expected.line["spends"];
    let phase = Phase::ALL
        .into_iter()
        .find(|phase| spends["phase"] == phase.name())
        .expect("a phase");
    let at_least = spends["each_at_least_ns"].as_u64().expect("a time");
    let spent: Vec<u64> = faults.iter().map(|fault| fault.phase_ns(phase)).collect();
    assert!(
        spent.iter().all(|&ns| ns >= at_least),
        "{phase:?} of at least {at_least} ns each: {spent:?}"
    );
    let all: u64 = spent.iter().sum();
    assert!(all > 0, "no fault spent any time in {phase:?}");
    if let Some(at_most) = spends["all_at_most_ns"].as_u64() {
        assert!(
            all <= at_most,
            "{all} ns in {phase:?}, the program saw {at_most}"
        );
    }
}

#[test]
fn a_fault_that_a_userfaultfd_holds_back_sleeps() {
    prove("phase-sleep");
}

#[test]
fn waiting_is_no_cpu_time() {
    if !is_root() {
        return;
    }
    let workloads = lab("workloads");
    let program = workloads.to_str().expect("text");
    let folder = tempfile::tempdir().expect("temporary directory");
    let totals = folder.path().join("totals.json");
    let start = [
        "stat",
        "--format",
        "json",
        "-o",
        totals.to_str().expect("text"),
        "--",
    ];
    let output = run([&start[..], &[program, "phase-sleep", "--traced"]].concat());
    if output.status.code() == Some(SKIPPED) {
        skip(&format!("phase-sleep: {}", text(&output.stdout)));
        return;
    }
    assert!(output.status.success(), "{output:?}");
    let expected: Value = text(&output.stdout)
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .expect("an expectation");
    let spends = &expected["spends"];
    let slept_ns = spends["each_at_least_ns"].as_i64().expect("a time")
        * expected["count"].as_i64().expect("a count");
    let totals = std::fs::read(&totals).expect("written");
    let report = Report(serde_json::from_slice(&totals).expect("JSON"));
    let cost = |key: &str| report.number(&format!("/cost/{key}"));
    assert!(cost("waiting_ns") >= slept_ns, "{:#}", report.0["cost"]);
    assert_eq!(
        cost("on_cpu_ns") + cost("waiting_ns") + cost("reclaiming_ns"),
        report.number("/total/latency_ns/sum")
    );
    // A hypervisor's time is in the one and not in the other.
    let most = cost("cpu_ns") * 3 / 2;
    assert!(cost("on_cpu_ns") <= most, "{:#}", report.0["cost"]);
    let of_processes: i64 = report
        .processes()
        .iter()
        .filter_map(|process| process["passed"]["off_cpu_ns"].as_i64())
        .sum();
    assert_eq!(of_processes, cost("waiting_ns") + cost("reclaiming_ns"));
}

#[test]
fn a_fault_that_waits_for_a_slow_disk_spends_its_time_on_io() {
    prove("phase-io");
}

#[test]
fn faults_in_a_mapping_that_is_being_changed_wait_for_the_lock() {
    prove("phase-lock");
}

#[test]
fn a_fault_whose_cpu_somebody_else_wants_is_preempted() {
    prove("phase-preempted");
}

#[test]
fn a_fault_that_makes_room_in_its_cgroup_reclaims() {
    if !is_root() {
        return;
    }
    let Some((_, faults)) = recorded("reclaim-memcg") else {
        return;
    };
    assert_parts_of_latency(&faults);
    let reclaimed = |fault: &Fault| fault.evidence.any(Evidence::RECLAIMED);
    assert!(faults.iter().any(reclaimed));
    for fault in &faults {
        let spent = fault.phase_ns(Phase::Reclaim) > 0;
        assert!(spent == reclaimed(fault), "{fault:?}");
    }
}
