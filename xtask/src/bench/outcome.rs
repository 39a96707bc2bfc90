//! What workloads and tracers have written, read.

use serde_json::Value;

use super::statistics::spread;

/// What a run of the workload says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// ns of each part: the lower quartile of the workload's rounds, since whatever disturbs a round
    /// makes it slower.
    pub(super) parts_ns: Vec<f64>,
    /// When it began, ns of CLOCK_MONOTONIC.
    pub(super) started_ns: u64,
    /// What the kernel counted for it and its children.
    pub(super) faults: u64,
    pub(super) cpu_ns: u64,
}

/// The workload's lines, found between those of a tracer.
pub(super) fn workload(output: &str) -> Option<Cost> {
    let named = |name: &str| {
        let mut lines = output.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    };
    let numbers = |line: &str| -> Option<Vec<f64>> {
        line.split(' ').map(|number| number.parse().ok()).collect()
    };
    let rounds: Vec<Vec<f64>> = output.lines().filter_map(numbers).collect();
    let parts = rounds.first()?.len();
    let part = |index: usize| {
        let values = rounds.iter().filter_map(|round| round.get(index));
        Some(spread(values.copied())?.lower)
    };
    Some(Cost {
        parts_ns: (0..parts).map(part).collect::<Option<_>>()?,
        started_ns: named("started_ns")?,
        faults: named("faults")?,
        cpu_ns: named("cpu_ns")?,
    })
}

/// What a tracer saw, and what it says that it lost, if it can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) faults: u64,
    pub(super) lost: Option<u64>,
}

/// `stat --format json`.
pub(super) fn report(text: &str) -> Option<Seen> {
    let report: Value = serde_json::from_str(text).ok()?;
    Some(Seen {
        faults: report["accounting"]["started"].as_u64()?,
        lost: report["accounting"]["dropped"].as_u64(),
    })
}

/// `recording.json`.
pub(super) fn recording(text: &str) -> Option<Seen> {
    let manifest: Value = serde_json::from_str(text).ok()?;
    let counts = &manifest["run"]["totals"]["counts"];
    Some(Seen {
        faults: counts["started"].as_u64()?,
        lost: Some(counts["dropped"].as_u64()?),
    })
}

/// `perf stat -x,`: a line a counter, of which the first counts all faults.
pub(super) fn perf_counts(text: &str) -> Option<Seen> {
    let mut lines = text.lines();
    let faults = lines.find_map(|line| {
        let (count, rest) = line.split_once(',')?;
        rest.contains("page-faults").then(|| count.parse().ok())?
    })?;
    Some(Seen { faults, lost: None })
}

/// `perf report --stats`: records of all kinds, then of each event its samples and those lost.
pub(super) fn perf_data(text: &str) -> Option<Seen> {
    let mut of_events = text
        .lines()
        .skip_while(|line| line.trim() != "Aggregated stats:");
    of_events.next()?;
    let mut is_event = false;
    let (mut faults, mut lost) = (0, 0);
    for line in of_events {
        is_event |= line.ends_with(" stats:");
        let mut words = line.split_whitespace();
        let (kind, Some("events:"), Some(Ok(count))) = (
            words.next().unwrap_or_default(),
            words.next(),
            words.next().map(str::parse::<u64>),
        ) else {
            continue;
        };
        match kind {
            "SAMPLE" if is_event => faults += count,
            "LOST_SAMPLES" if is_event => lost += count,
            _ => {}
        }
    }
    is_event.then_some(Seen {
        faults,
        lost: Some(lost),
    })
}

/// `perf trace -F all`: a line a fault, and `LOST n events!` between them.
pub(super) fn perf_trace(text: &str) -> Seen {
    let is_fault = |line: &&str| line.contains(" minfault [") || line.contains(" majfault [");
    Seen {
        faults: text.lines().filter(is_fault).count() as u64,
        lost: Some(lost_events(text, "LOST ")),
    }
}

/// Counters and histograms of bpftrace; `Lost n events` among its messages.
pub(super) fn bpftrace(text: &str, messages: &str) -> Seen {
    let count = |line: &str| -> Option<u64> {
        match line.strip_prefix('@') {
            Some(map) => map.split_once(": ")?.1.trim().parse().ok(),
            // A row of a histogram: [512, 1K)     814 |@@ |
            None => {
                let (_, row) = line.strip_prefix('[')?.split_once(')')?;
                row.split_whitespace().next()?.parse().ok()
            }
        }
    };
    Seen {
        faults: text.lines().filter_map(count).sum(),
        lost: Some(lost_events(messages, "Lost ")),
    }
}

fn lost_events(text: &str, before: &str) -> u64 {
    let lines = text.lines().filter(|line| line.contains("events"));
    lines
        .filter_map(|line| {
            let (_, count) = line.split_once(before)?;
            count.split(' ').next()?.parse::<u64>().ok()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workloads_numbers_are_found_between_a_tracers_lines() {
        let output = "Attaching 3 probes...\nstarted_ns 77\n1200.5 130.0\n1100.0 110.0\n\
                      1300.0 120.0\nfaults 12\ncpu_ns 9\n\n@minor: 12\n";
        let cost = Cost {
            parts_ns: vec![1150.25, 115.0],
            started_ns: 77,
            faults: 12,
            cpu_ns: 9,
        };
        assert_eq!(workload(output), Some(cost));
        assert_eq!(workload("usage: touch\n"), None);
    }

    #[test]
    fn our_own_accounting_says_what_was_seen_and_dropped() {
        let report = r#"{"accounting": {"started": 12, "dropped": 0}}"#;
        let all = Seen {
            faults: 12,
            lost: Some(0),
        };
        assert_eq!(super::report(report), Some(all));
        let manifest = r#"{"run": {"totals": {"counts": {"started": 9, "dropped": 2}}}}"#;
        let some = Seen {
            faults: 9,
            lost: Some(2),
        };
        assert_eq!(recording(manifest), Some(some));
        assert_eq!(recording("{}"), None);
    }

    #[test]
    fn perfs_counter_of_all_faults_is_taken() {
        let text = "# started on Sat\n\n1099,,page-faults,3701319,100.00,,\n\
                    1098,,minor-faults,3701319,100.00,,\n1,,major-faults,3701319,100.00,,\n";
        assert_eq!(perf_counts(text).map(|seen| seen.faults), Some(1099));
        assert_eq!(perf_counts("<not counted>,,page-faults,0,,,\n"), None);
    }

    #[test]
    fn perfs_lost_samples_are_not_its_lost_records() {
        let text = "\nAggregated stats:\n           TOTAL events:      98129\n            \
                    LOST events:          4  ( 0.0%)\n          SAMPLE events:      95654  (97.5%)\n    \
                    LOST_SAMPLES events:          1  ( 0.0%)\npage-faults stats:\n          \
                    SAMPLE events:      95654\n    LOST_SAMPLES events:       6842\n";
        let seen = Seen {
            faults: 95_654,
            lost: Some(6842),
        };
        assert_eq!(perf_data(text), Some(seen));
        assert_eq!(perf_data("no such file"), None);
    }

    #[test]
    fn lines_of_perf_trace_are_counted() {
        let text = "   365.360 ( 0.000 ms): touch/3513 minfault [touch::fresh+0xee] => x (d.)\n\
                    LOST 7 events!\n   365.4 ( 0.000 ms): touch/3513 majfault [0x1] => y (d.)\n";
        let seen = Seen {
            faults: 2,
            lost: Some(7),
        };
        assert_eq!(perf_trace(text), seen);
    }

    #[test]
    fn bpftraces_counters_and_histograms_add_up() {
        let text = "Attaching 3 probes...\n\n\n@major_ns: \n\
                    [8M, 16M)              2 |@@@@@@|\n\n@minor_ns: \n\
                    [512, 1K)            814 |      |\n[1K, 2K)           29412 |@@@@  |\n";
        assert_eq!(bpftrace(text, "").faults, 30_228);
        assert_eq!(bpftrace("@faults: 107500\n", "").faults, 107_500);
        assert_eq!(bpftrace("", "Lost 12 events\n").lost, Some(12));
    }
}
