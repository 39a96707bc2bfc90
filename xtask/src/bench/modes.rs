//! What is compared: fault-trace, the floor, and peers that are installed.

use std::path::Path;

use super::setting::{Programs, Setting};
use crate::command::find;

/// How tracer and workload come together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// No tracer.
    Alone,
    /// The tracer starts the workload.
    Launches,
    /// The tracer is there first, and is ended after the workload.
    Beside,
}

/// What the tracer leaves for us to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leaves {
    Nothing,
    /// The report as JSON on standard output.
    Report,
    /// A recording in [`Setting::recording`].
    Recording,
}

pub(super) struct Mode {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// The tracer's command line, without the workload.
    pub(super) tracer: Vec<String>,
    pub(super) leaves: Leaves,
    /// Too slow for every round.
    pub(super) is_slow: bool,
    /// Also measured with several threads, and with a workload that hardly faults.
    pub(super) is_central: bool,
}

/// A peer that cannot be measured here.
pub(super) struct Skipped {
    pub(super) name: &'static str,
    pub(super) reason: String,
}

pub(super) const UNTRACED: &str = "untraced";
pub(super) const FLOOR: &str = "floor";
pub(super) const PERF_RECORD: &str = "perf record";

/// Stands for the process id of another process, which is the target.
pub(super) const OTHER: &str = "OTHER";

/// Latency by the same start and end as fault-trace's, in a histogram.
const BPFTRACE_HISTOGRAM: &str = "tracepoint:exceptions:page_fault_user { @start[tid] = nsecs; } \
    software:minor-faults:1 /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start[tid]); } \
    software:major-faults:1 /@start[tid]/ { @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }";

pub(super) fn modes(programs: &Programs, setting: &Setting) -> (Vec<Mode>, Vec<Skipped>) {
    let mut modes = ours(programs, setting);
    let mut skipped = Vec::new();
    for (peer, program, needs_tracefs) in [
        (perf_stat(), "perf", false),
        (perf_record(setting), "perf", false),
        (bpftrace(), "bpftrace", true),
        (perf_trace(setting), "perf", false),
    ] {
        match obstacle(program, needs_tracefs) {
            None => modes.push(peer),
            Some(reason) => skipped.push(Skipped {
                name: peer.name,
                reason,
            }),
        }
    }
    (modes, skipped)
}

fn obstacle(program: &str, needs_tracefs: bool) -> Option<String> {
    if find(program).is_none() {
        return Some(format!("`{program}` is not installed"));
    }
    let is_mounted = Path::new("/sys/kernel/tracing/events/exceptions").exists();
    (needs_tracefs && !is_mounted)
        .then(|| "tracefs is not mounted: `mount -t tracefs nodev /sys/kernel/tracing`".to_owned())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn ours(programs: &Programs, setting: &Setting) -> Vec<Mode> {
    let fault_trace = programs.fault_trace.to_string_lossy();
    let recording = setting.recording().to_string_lossy().into_owned();
    let tracer = |arguments: &[&str]| {
        let mut line = words(&[&fault_trace]);
        line.extend(words(arguments));
        line
    };
    let mode = |name, shape, tracer, leaves| Mode {
        name,
        shape,
        tracer,
        leaves,
        is_slow: false,
        is_central: false,
    };
    let central = |mode| Mode {
        is_central: true,
        ..mode
    };
    let record = ["record", "--overwrite", "-o", &recording];
    vec![
        central(mode(UNTRACED, Shape::Alone, Vec::new(), Leaves::Nothing)),
        central(mode(
            FLOOR,
            Shape::Beside,
            words(&[&programs.floor.to_string_lossy()]),
            Leaves::Nothing,
        )),
        mode("stat", Shape::Launches, tracer(&["stat"]), Leaves::Nothing),
        central(mode(
            "stat -a",
            Shape::Beside,
            tracer(&["stat", "--format", "json", "-a"]),
            Leaves::Report,
        )),
        mode(
            "stat -p OTHER",
            Shape::Beside,
            tracer(&["stat", "-p", OTHER]),
            Leaves::Nothing,
        ),
        mode(
            "record",
            Shape::Launches,
            tracer(&record),
            Leaves::Recording,
        ),
        central(mode(
            "record -a",
            Shape::Beside,
            tracer(&[&record[..], &["-a"]].concat()),
            Leaves::Recording,
        )),
    ]
}

fn perf(name: &'static str, arguments: &[&str]) -> Mode {
    Mode {
        name,
        shape: Shape::Launches,
        tracer: words(arguments),
        leaves: Leaves::Nothing,
        is_slow: false,
        is_central: false,
    }
}

fn perf_stat() -> Mode {
    let events = "page-faults,minor-faults,major-faults";
    perf("perf stat", &["perf", "stat", "-e", events])
}

fn perf_record(setting: &Setting) -> Mode {
    let data = setting.scratch.join("perf.data");
    let data = data.to_string_lossy();
    let line = [
        "perf",
        "record",
        "-q",
        "-e",
        "page-faults",
        "-c",
        "1",
        "-d",
        "-o",
        &data,
    ];
    Mode {
        is_central: true,
        ..perf(PERF_RECORD, &line)
    }
}

fn perf_trace(setting: &Setting) -> Mode {
    let text = setting.scratch.join("trace.txt");
    let text = text.to_string_lossy();
    let line = ["perf", "trace", "-F", "all", "--no-syscalls", "-o", &text];
    Mode {
        is_slow: true,
        ..perf("perf trace", &line)
    }
}

fn bpftrace() -> Mode {
    Mode {
        shape: Shape::Beside,
        ..perf("bpftrace", &["bpftrace", "-e", BPFTRACE_HISTOGRAM])
    }
}
