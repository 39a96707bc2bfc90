//! Other tracers. What they know of a fault differs, and is said in docs/cost.md.

use std::path::Path;

use super::{BPFTRACE_HISTOGRAM, Leaves, Maker, Mode, PERF_RECORD, PERF_STAT_ALL, Shape, words};
use crate::{bench::setting::Setting, command::find};

const PERF_COUNTERS: &str = "page-faults,minor-faults,major-faults";

const COUNT: &str = "software:page-faults:1 { @faults = count(); }";

/// Latency by the same start and end as fault-trace's, of accesses in user mode.
const HISTOGRAM: &str = "tracepoint:exceptions:page_fault_user { @start[tid] = nsecs; } \
    software:minor-faults:1 /@start[tid]/ \
    { @minor_ns = hist(nsecs - @start[tid]); delete(@start[tid]); } \
    software:major-faults:1 /@start[tid]/ \
    { @major_ns = hist(nsecs - @start[tid]); delete(@start[tid]); }";

pub(super) fn all(setting: &Setting) -> Vec<Mode> {
    let output = setting.output().to_string_lossy().into_owned();
    let perf = |name, leaves, arguments: &[&str]| {
        let (command, rest) = arguments.split_at(1);
        Mode {
            name,
            maker: Maker::Perf,
            shape: Shape::Launches,
            tracer: words(&[&["perf"], command, &["-o", &output], rest].concat()),
            leaves,
            is_slow: false,
            is_central: false,
        }
    };
    let central = |mode| Mode {
        is_central: true,
        ..mode
    };
    let record = |name, event, rest: &[&str]| {
        let arguments = [&["record", "-e", event, "-c", "1", "-d"], rest].concat();
        perf(name, Leaves::PerfData, &arguments)
    };
    let trace = ["trace", "-F", "all", "--no-syscalls"];
    let (counts, all) = (["stat", "-x,", "-e", PERF_COUNTERS], "page-faults");
    vec![
        perf("perf stat", Leaves::PerfCounts, &counts),
        central(Mode {
            shape: Shape::Beside,
            ..perf(
                PERF_STAT_ALL,
                Leaves::PerfCounts,
                &["stat", "-x,", "-a", "-e", all],
            )
        }),
        central(record(PERF_RECORD, "page-faults", &[])),
        record("perf record -g", "page-faults", &["-g"]),
        record("perf record tracepoint", "exceptions:page_fault_user", &[]),
        record(
            "perf record tracepoint -g",
            "exceptions:page_fault_user",
            &["-g"],
        ),
        Mode {
            is_slow: true,
            ..perf("perf trace -F all", Leaves::PerfTrace, &trace)
        },
        bpftrace("bpftrace count", COUNT),
        central(bpftrace(BPFTRACE_HISTOGRAM, HISTOGRAM)),
    ]
}

fn bpftrace(name: &'static str, script: &str) -> Mode {
    Mode {
        name,
        maker: Maker::Bpftrace,
        shape: Shape::Beside,
        tracer: words(&["bpftrace", "-e", script]),
        leaves: Leaves::Bpftrace,
        is_slow: false,
        is_central: false,
    }
}

/// Why it cannot be measured here.
pub(super) fn obstacle(mode: &Mode) -> Option<String> {
    let program = match mode.maker {
        Maker::Nobody | Maker::Ours => return None,
        Maker::Perf => "perf",
        Maker::Bpftrace => "bpftrace",
    };
    if find(program).is_none() {
        return Some(format!("`{program}` is not installed"));
    }
    let needs_tracefs = mode.tracer.iter().any(|word| word.contains("exceptions:"));
    let is_mounted = Path::new("/sys/kernel/tracing/events/exceptions").exists();
    (needs_tracefs && !is_mounted).then(|| {
        "tracefs is not mounted: `mount -t tracefs tracefs /sys/kernel/tracing`".to_owned()
    })
}
