//! Anomalies that the eBPF programs tell of, for those who debug them.

use std::process::Output;

use serde_json::Value;

use crate::{
    is_root,
    support::{fault_trace, known_path, text},
};

const VARIABLE: &str = "FAULT_TRACE_DEBUG_EBPF";
/// Threads at once, whose states cannot all have a place of their own: 8,192 places are handed out by a
/// hash of the threads' addresses.
const STEP: &str = "threads:4000:1";

/// Traces threads that crowd each other's states.
fn crowd(debug: Option<&str>) -> Output {
    let mut tracer = fault_trace();
    tracer.env_remove(VARIABLE);
    if let Some(value) = debug {
        tracer.env(VARIABLE, value);
    }
    tracer.args(["stat", "--format", "json", "--"]);
    let output = tracer.arg(known_path()).arg(STEP).output();
    let output = output.expect("fault-trace starts");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["accounting"]["unexplained"], 0, "{report}");
    output
}

/// The lines that the programs are the source of.
fn told(output: &Output) -> Vec<&str> {
    let lines = text(&output.stderr).lines();
    lines.filter(|line| line.contains("eBPF")).collect()
}

#[test]
fn anomalies_are_told_with_process_address_and_evidence_where_that_is_asked_for() {
    if !is_root() {
        return;
    }
    let output = crowd(Some("1"));
    let begin = "fault-trace: eBPF: state claimed by another thread: pid ";
    let told = told(&output);
    let claimed: Vec<&str> = told
        .iter()
        .filter_map(|line| line.strip_prefix(begin))
        .collect();
    assert!(!claimed.is_empty(), "{output:?}");
    for rest in claimed {
        let words: Vec<&str> = rest.split(' ').collect();
        let [pid, "tid", tid, "address", address, "evidence", evidence] = words[..] else {
            panic!("{rest}");
        };
        let id = |text: &str| text.parse::<u32>().expect("an id");
        assert!(id(pid) > 1 && id(tid) > 1, "{rest}");
        let number = |text: &str| {
            let digits = text.strip_prefix("0x").expect("hexadecimal");
            u64::from_str_radix(digits, 16).expect("a number")
        };
        // The kernel's own half of the addresses.
        assert!(number(address) >= 1 << 63, "{rest}");
        assert_eq!(number(evidence), 0, "{rest}");
    }
}

#[test]
fn nothing_is_told_where_nobody_asked() {
    if !is_root() {
        return;
    }
    for debug in [None, Some("0")] {
        let output = crowd(debug);
        assert!(told(&output).is_empty(), "{output:?}");
    }
}
