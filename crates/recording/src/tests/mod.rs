//! What a recording promises, told by writing and reading real ones.

mod claims;
mod crash;
mod damage;
mod format;
mod refusals;
mod round_trip;
mod wanting;

use std::path::PathBuf;

use fault_trace_common::{Class, Confidence, ErrorCode, Evidence, Hooks};
use proptest::prelude::*;
use tempfile::TempDir;

use fault_trace_model::{
    Fault, Run, TaskChange, TaskEvent, Totals,
    interner::Unnamed,
    run::{ClockBase, Host, RunOptions, Unread},
    support::Support,
};

/// A directory that vanishes with the test, and the path of a recording in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("run.ftrace");
    (directory, path)
}

/// A run that was stopped in order and recorded so many faults.
fn run(recorded: u64) -> Run {
    let mut totals = Totals::default();
    totals.counts.recorded = recorded;
    Run {
        tool_version: "1.2.3".to_owned(),
        host: Host {
            name: "example".to_owned(),
            kernel_release: "6.18.0".to_owned(),
            machine: "x86_64".to_owned(),
            cpus_online: 2,
            page_size_bytes: 4096,
        },
        command: vec!["ls".to_owned()],
        target: "command".to_owned(),
        options: RunOptions {
            sample: 1,
            min_latency_ns: 0,
            filters: Vec::new(),
            records_faults: true,
            call_graph: None,
        },
        hooks: Hooks::ALL,
        support: Support::default(),
        clock: ClockBase {
            monotonic_ns: 5,
            unix_ns: -6,
        },
        started_ns: 10,
        stopped_ns: 20,
        complete: true,
        kernel: None,
        cpu_ns: Some(7),
        calibration: None,
        exit_status: Some(0),
        spaces: fault_trace_model::spaces::SpaceCounts::default(),
        undecodable: 0,
        unnamed: Unnamed::default(),
        unread: Unread::default(),
        cpus_joined: 0,
        knows_gup: true,
        notes: Vec::new(),
        totals,
    }
}

/// The same run while it lasts.
fn running() -> Run {
    Run {
        complete: false,
        ..run(0)
    }
}

/// The nth fault of a plain sequence.
fn fault(n: u64) -> Fault {
    Fault {
        time_ns: 1000 * n,
        latency_ns: Some(500 + n % 7),
        address: 0x7f00_0000_0000 + 4096 * n,
        ip: 0x5555_0000,
        evidence: Evidence::of(Evidence::ENDED | Evidence::RSS_ANON),
        error_code: ErrorCode(ErrorCode::WRITE | ErrorCode::USER),
        pid: 7,
        tid: 8,
        cpu: 1,
        pages: 1,
        class: Class::AnonAlloc,
        confidence: Confidence::Exact,
        ..Fault::BLANK
    }
}

fn task(comm: &[u8]) -> TaskEvent {
    TaskEvent {
        time_ns: 3,
        pid: 7,
        tid: 8,
        comm: comm.to_vec(),
        change: TaskChange::Seen,
        cgroup_id: None,
    }
}

/// A time of which a run may have many.
const fn time_ns(any_ns: u64) -> u64 {
    any_ns >> 20
}

/// Faults of any content, with times that a run can have.
fn any_fault() -> impl Strategy<Value = Fault> {
    Fault::any().prop_map(|fault| Fault {
        time_ns: time_ns(fault.time_ns),
        latency_ns: fault.latency_ns.map(time_ns),
        phases_ns: fault.phases_ns.map(time_ns),
        ..fault
    })
}

fn any_task() -> impl Strategy<Value = TaskEvent> {
    let change = prop_oneof![
        Just(TaskChange::Seen),
        Just(TaskChange::Renamed),
        any::<u32>().prop_map(|parent_pid| TaskChange::Forked { parent_pid }),
        Just(TaskChange::Exited),
        Just(TaskChange::Moved),
    ];
    let comm = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..16),
        "[ -~]{0,15}".prop_map(String::into_bytes),
    ];
    let words = any::<(u64, u32, u32, Option<u64>)>();
    (words, comm, change).prop_map(|((time_ns, pid, tid, cgroup_id), comm, change)| TaskEvent {
        time_ns,
        pid,
        tid,
        comm,
        change,
        cgroup_id,
    })
}
