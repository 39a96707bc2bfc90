//! Anomalies that the eBPF programs tell of, for those who debug them.
//!
//! `nesting overflow` is not among them: no program is known that nests five faults. What becomes of them is
//! tested with a simulated thread (`fault-trace-common/tests/open_faults`).

use std::process::Output;

use fault_trace_common::{Closer, Evidence};
use serde_json::Value;
use tempfile::tempdir;

use crate::{
    is_root,
    support::{Known, START, Tracer, fault_trace, known_path, run, text},
};

const VARIABLE: &str = "FAULT_TRACE_DEBUG_EBPF";
const OPTION: &str = "--debug-ebpf";
/// Threads at once, whose states cannot all have a place of their own: 8,192 places are handed out by a
/// hash of the threads' addresses.
const CROWD: &str = "threads:4000:1";

/// An anomaly as it was told.
#[derive(Debug)]
struct Told {
    pid: u32,
    tid: u32,
    address: u64,
    evidence: Evidence,
}

/// Reads `NAME: pid … tid … address 0x… evidence 0x…`.
fn told(output: &Output, name: &str) -> Vec<Told> {
    let begin = format!("fault-trace: eBPF: {name}: ");
    let lines = text(&output.stderr).lines();
    let read = |rest: &str| {
        let words: Vec<&str> = rest.split(' ').collect();
        let [
            "pid",
            pid,
            "tid",
            tid,
            "address",
            address,
            "evidence",
            evidence,
        ] = words[..]
        else {
            panic!("{rest}");
        };
        let id = |text: &str| text.parse().expect("an id");
        let number = |text: &str| {
            let digits = text.strip_prefix("0x").expect("hexadecimal");
            u64::from_str_radix(digits, 16).expect("a number")
        };
        Told {
            pid: id(pid),
            tid: id(tid),
            address: number(address),
            evidence: Evidence {
                word: number(evidence),
                more: 0,
            },
        }
    };
    lines
        .filter_map(|line| line.strip_prefix(&begin))
        .map(read)
        .collect()
}

fn is_silent(output: &Output) -> bool {
    !text(&output.stderr).contains("eBPF")
}

/// Traces threads that crowd each other's states.
fn crowd(variable: Option<&str>, options: &[&str]) -> Output {
    let mut tracer = fault_trace();
    tracer.env_remove(VARIABLE);
    tracer.envs(variable.map(|value| (VARIABLE, value)));
    tracer.args(["stat", "--format", "json"]).args(options);
    let output = tracer.arg("--").arg(known_path()).arg(CROWD).output();
    let output = output.expect("fault-trace starts");
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["accounting"]["unexplained"], 0, "{report}");
    output
}

#[test]
fn a_state_that_another_thread_claimed_is_told_by_option_and_by_variable() {
    if !is_root() {
        return;
    }
    for output in [crowd(Some("1"), &[]), crowd(None, &[OPTION])] {
        let claimed = told(&output, "state claimed by another thread");
        assert!(!claimed.is_empty(), "{output:?}");
        for told in claimed {
            assert!(told.pid > 1 && told.tid > 1, "{told:?}");
            // The kernel's own half of the addresses.
            assert!(told.address >= 1 << 63, "{told:?}");
            assert_eq!(told.evidence, Evidence::NONE, "{told:?}");
        }
    }
}

#[test]
fn nothing_is_told_where_nobody_asked() {
    if !is_root() {
        return;
    }
    for variable in [None, Some("0")] {
        let output = crowd(variable, &[]);
        assert!(is_silent(&output), "{output:?}");
    }
}

#[test]
fn the_end_of_a_fault_that_began_before_tracing_is_told() {
    if !is_root() {
        return;
    }
    let known = Known::waiting(&["held"]);
    let pid = known.pid();
    let arguments = ["stat", OPTION, "--format", "json", "-p", &pid.to_string()];
    let tracer = Tracer::attached(arguments);
    known.finish();
    let output = tracer.output();
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["losses"]["end_unmatched"], 1, "{report}");
    let told = told(&output, "END without START");
    let [told] = &told[..] else {
        panic!("{output:?}");
    };
    assert_eq!((told.pid, told.address), (pid, START as u64), "{told:?}");
    assert_ne!(told.tid, pid);
    assert_eq!(told.evidence, Evidence::of(Evidence::ENDED));
}

#[test]
fn a_fault_that_only_the_next_one_proves_over_is_told_by_every_command() {
    const CALLS: usize = 5;
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let known = known_path();
    let command = [
        "--",
        known.to_str().expect("text"),
        &format!("efault:{CALLS}"),
    ];
    let record = ["record", "-o", recording.to_str().expect("text")];
    for start in [&["stat"][..], &["trace"], &record] {
        let output = run([start, &[OPTION], &command].concat());
        assert!(output.status.success(), "{output:?}");
        let mut told = told(&output, "closer missed");
        told.retain(|told| told.address == START as u64);
        // Its next fault may be anywhere, and its last closer may be its exit.
        assert!((CALLS - 1..=CALLS).contains(&told.len()), "{output:?}");
        for told in told {
            assert_eq!(told.evidence.closer(), Closer::NextStart, "{told:?}");
            assert!(told.evidence.any(Evidence::KERNEL_MODE), "{told:?}");
            assert!(!told.evidence.any(Evidence::ENDED), "{told:?}");
        }
        let quiet = run([start, &["--class", "kernel-efault"], &command].concat());
        assert!(is_silent(&quiet), "{quiet:?}");
        // A recording is not written over.
        let _ = std::fs::remove_dir_all(&recording);
    }
}
