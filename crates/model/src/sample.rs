//! Made-up runs for tests: fixed, and with counts that add up.

use fault_trace_common::{
    Class, Closer, Confidence, Counter, ErrorCode, Evidence, Hooks, Region, histogram::bucket_of,
    phase::Phase,
};

use super::{
    Calibration, ClassTotals, CounterTotals, Counts, Fault, ProcessTotals, Run, ThreadTotals,
    Totals,
    calibration::{ModeCost, Spread},
    interner::Unnamed,
    run::{ClockBase, Host, KernelReading, KernelSource, RunOptions, Unread},
    support::Support,
    totals::KernelCounts,
};

/// A calibration of `record` in which that has to be added to each latency, ns.
#[must_use]
pub fn calibration(correction_ns: i64) -> Calibration {
    let spread = |median: i64| Spread {
        lower: median - 20,
        median,
        upper: median + 30,
    };
    Calibration {
        cpu: 1,
        rounds: 5,
        faults: 24_576,
        clock_ns: 27,
        untraced_ns: spread(1_230),
        modes: vec![ModeCost {
            mode: "record".to_owned(),
            whole_ns: spread(1_910),
            added_ns: spread(680),
            reported_ns: spread(1_230 - correction_ns),
            left_out_ns: spread(680 + correction_ns),
            correction_ns: spread(correction_ns),
        }],
    }
}

/// A class of `count` faults: most take about `typical_ns`, with a tail that thins out from power
/// to power of two.
#[must_use]
pub fn class(class: Class, count: u64, typical_ns: u64) -> ClassTotals {
    let mut totals = ClassTotals::empty(class);
    let mut left = count;
    let mut add = |latency_ns: u64, faults: u64| {
        let faults = faults.min(left);
        left -= faults;
        if faults > 0 {
            totals.buckets[bucket_of(latency_ns)] += faults;
            totals.sum_ns += latency_ns * faults;
            totals.min_ns = totals.min_ns.into_iter().chain([latency_ns]).min();
            totals.max_ns = totals.max_ns.max(Some(latency_ns));
        }
        left
    };
    for step in [12, 13, 15, 11, 17, 10, 20, 9, 24] {
        add(typical_ns * step / 12, count / 10);
    }
    for power in 1..12 {
        let rest = add(typical_ns << power, 0);
        add(typical_ns << power, rest.div_ceil(2));
    }
    add(typical_ns, u64::MAX);
    totals
}

/// A process of `minor` and `major` faults, about which the kernel agrees.
#[must_use]
pub fn process(pid: u32, comm: &[u8], minor: u64, major: u64) -> ProcessTotals {
    ProcessTotals {
        pid,
        comm: comm.to_vec(),
        counts: Counts {
            started: minor + major,
            minor,
            major,
            recorded: minor + major,
            latency_ns: minor * 1_400 + major * 90_000,
            ..Counts::default()
        },
        kernel: Some(KernelCounts { minor, major }),
        cpu_ns: Some(minor * 5_000 + major * 20_000),
    }
}

/// A run of those classes and processes, in which nothing was lost and all is explained.
#[must_use]
pub fn run(classes: Vec<ClassTotals>, processes: Vec<ProcessTotals>) -> Run {
    let mut counts = Counts::default();
    for process in &processes {
        counts.started += process.counts.started;
        counts.minor += process.counts.minor;
        counts.major += process.counts.major;
        counts.failed += process.counts.failed;
        counts.recorded += process.counts.recorded;
        counts.latency_ns += process.counts.latency_ns;
    }
    counts.gup = 2;
    (counts.gup_zeroed, counts.gup_zeroed_pages) = (1, 1);
    Run {
        tool_version: "0.1.0".to_owned(),
        host: Host {
            name: "box".to_owned(),
            kernel_release: "6.18.0".to_owned(),
            machine: "x86_64".to_owned(),
            cpus_online: 8,
            page_size_bytes: 4096,
        },
        command: ["pgbench", "-c", "8", "my db"].map(str::to_owned).to_vec(),
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
            monotonic_ns: 0,
            unix_ns: 1_700_000_000_000_000_000,
        },
        started_ns: 1_000_000_000,
        stopped_ns: 5_210_000_000,
        complete: true,
        kernel: Some(KernelReading {
            counts: KernelCounts {
                minor: counts.minor + counts.gup,
                major: counts.major,
            },
            source: KernelSource::Rusage,
        }),
        cpu_ns: processes.iter().map(|process| process.cpu_ns).sum(),
        calibration: None,
        exit_status: Some(0),
        spaces: crate::spaces::SpaceCounts::default(),
        undecodable: 0,
        unnamed: Unnamed::default(),
        unread: Unread::default(),
        cpus_joined: 0,
        knows_gup: true,
        notes: Vec::new(),
        totals: Totals {
            counts,
            classes,
            processes,
            threads: Vec::new(),
            counters: CounterTotals::default(),
        },
    }
}

/// A database benchmark in which all is well.
#[must_use]
pub fn database() -> Run {
    let mut read = class(Class::FileRead, 1_204, 96_000);
    read.major = 1_204;
    let mut cached = class(Class::FileCached, 96_512, 620);
    cached.inferred = 11_870;
    cached.pages = 0;
    let mut alloc = class(Class::AnonAlloc, 1_103_400, 1_210);
    alloc.pages = 1_103_400;
    let mut cow = class(Class::CowAnon, 30_020, 1_650);
    cow.pages = 30_020;
    let mut efault = ClassTotals::empty(Class::KernelEfault);
    efault.untimed = 4;
    let classes = vec![
        alloc,
        cached,
        read,
        cow,
        class(Class::Spurious, 310, 840),
        efault,
    ];
    let mut processes = vec![
        process(4101, b"pgbench", 8_120, 3),
        process(4102, b"postgres", 1_200_000, 1_190),
        process(4110, b"sh", 22_122, 11),
    ];
    processes[1].counts.failed = 4;
    processes[1].counts.started += 4;
    processes[1].counts.recorded += 4;
    run(classes, processes)
}

/// Everything that can be wrong is wrong: drops, filters, losses, an unexplained difference, an
/// unfinished fault, a recording that broke off.
#[must_use]
pub fn troubled() -> Run {
    let mut run = database();
    run.complete = false;
    run.exit_status = Some(139);
    run.undecodable = 2;
    run.options.sample = 10;
    run.options.min_latency_ns = 5_000;
    run.notes =
        vec!["rss_stat is batched before Linux 6.6: classes that need it are inferred".to_owned()];
    run.totals.counts.started += 3;
    run.totals.counts.recorded -= 1_000_000;
    run.totals.counts.dropped = 12_345;
    run.totals.counts.filtered = 987_655;
    let counters = &mut run.totals.counters.0;
    counters[Counter::ProcessesFull as usize] = 7;
    counters[Counter::EndUnmatched as usize] = 5;
    counters[Counter::TaskRecordsDropped as usize] = 41;
    if let Some(kernel) = &mut run.kernel {
        kernel.counts.minor += 37;
    }
    run.totals.processes[0].kernel = Some(KernelCounts {
        minor: 8_100,
        major: 3,
    });
    run.totals.processes[1].kernel = None;
    run.totals.processes[1].cpu_ns = None;
    run.cpu_ns = None;
    run.totals.threads.push(ThreadTotals {
        pid: 4102,
        tid: 4105,
        comm: b"postgres".to_vec(),
        started: 900_000,
        latency_ns: 1_260_000_000,
        passed: None,
        cpu_ns: Some(2_520_000_000),
    });
    run
}

/// Four faults of different kinds with their threads' names.
#[must_use]
pub fn faults() -> Vec<(Fault, Option<&'static [u8]>)> {
    let anonymous = Fault {
        time_ns: 1_000_123_456,
        latency_ns: Some(1_234),
        address: 0x7f12_3456_7000,
        ip: 0x40_1136,
        evidence: Evidence::of(Evidence::ENDED | Evidence::RSS_ANON | Evidence::ALLOC_PAGE)
            .with_closer(Closer::End),
        error_code: ErrorCode(ErrorCode::WRITE | ErrorCode::USER),
        pid: 41,
        tid: 42,
        cpu: 3,
        pages: 1,
        class: Class::AnonAlloc,
        confidence: Confidence::Exact,
        ..Fault::BLANK
    };
    let mut phases_ns = Fault::BLANK.phases_ns;
    phases_ns[Phase::Io as usize] = 90_000;
    phases_ns[Phase::Preempted as usize] = 700;
    let read = Fault {
        time_ns: 1_000_200_000,
        latency_ns: Some(96_700),
        phases_ns,
        evidence: Evidence::of(Evidence::ENDED | Evidence::MAJOR | Evidence::CACHE_ADD)
            .with_closer(Closer::End),
        error_code: ErrorCode(ErrorCode::USER | ErrorCode::INSTRUCTION),
        class: Class::FileRead,
        confidence: Confidence::Inferred,
        ..anonymous
    };
    let probe = Fault {
        time_ns: 999_999_999,
        latency_ns: None,
        address: 0xffff_ffff_ff60_0000,
        ip: 0,
        evidence: Evidence::of(Evidence::KERNEL_MODE)
            .with_closer(Closer::NextStart)
            .with_region(Region::Vsyscall),
        error_code: ErrorCode(0),
        pages: 0,
        class: Class::NofaultProbe,
        ..anonymous
    };
    let segv = Fault {
        time_ns: 73_000_000_000,
        address: 0,
        evidence: Evidence::NONE
            .with_closer(Closer::Signal)
            .with_signal(11, 1),
        error_code: ErrorCode(ErrorCode::USER),
        tid: 1_234_567,
        pages: 0,
        class: Class::SegvUnmapped,
        ..anonymous
    };
    vec![
        (anonymous, Some(b"postgres")),
        (read, Some(b"kworker/u16:3+e")),
        (probe, None),
        (segv, Some(b"\x1b[2J\"\xff")),
    ]
}
