//! Quantiles of the report against an exact computation over the recorded faults.

use fault_trace_common::histogram::bucket_of;
use hdrhistogram::Histogram;
use serde_json::Value;

use super::{faults, record};
use crate::{
    is_root,
    support::{Report, lab, run, text},
};

const QUANTILES: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p999")];

fn exact(sorted: &[u64], quantile: f64) -> u64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted[rank.max(1) - 1]
}

#[test]
fn the_reports_quantiles_lie_in_the_buckets_of_the_exact_ones() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary directory");
    let recording = folder.path().join("r.ftrace");
    let touch = lab("touch");
    let touch = touch.to_str().expect("text");
    let output = record(&recording, &["--buffer", "64MiB"], &[touch, "512", "40"]);
    assert!(output.status.success(), "{output:?}");
    let path = recording.to_str().expect("text");
    let report = Report::of_run(&["report", path, "--format", "json"]);
    report.assert_nothing_unexplained();
    let all = faults(&recording);
    for row in report.0["classes"].as_array().expect("a list") {
        let mut latencies: Vec<u64> = all
            .iter()
            .filter(|fault| row["class"] == fault.class.name())
            .filter_map(|fault| fault.latency_ns)
            .collect();
        latencies.sort_unstable();
        if latencies.is_empty() {
            assert_eq!(row["latency_ns"], Value::Null, "{row:#}");
            continue;
        }
        let reported = |key: &str| row["latency_ns"][key].as_u64().expect("a number");
        assert_eq!(reported("sum"), latencies.iter().sum::<u64>(), "{row:#}");
        assert_eq!(reported("min"), latencies[0], "{row:#}");
        assert_eq!(Some(&reported("max")), latencies.last(), "{row:#}");
        let mut hdr = Histogram::<u64>::new(3).expect("three digits");
        latencies.iter().for_each(|&ns| hdr += ns);
        for (quantile, key) in QUANTILES {
            let exact = exact(&latencies, quantile);
            assert_eq!(
                bucket_of(reported(key)),
                bucket_of(exact),
                "{key} of {row:#}"
            );
            // Three digits are a tenth of a percent; a bucket is at most 6.25 % wide.
            let of_library = hdr.value_at_quantile(quantile);
            assert!(
                reported(key).abs_diff(of_library) as f64 <= 0.0635 * of_library as f64 + 1.0,
                "{key} of {row:#}: {of_library}"
            );
        }
    }
}

#[test]
fn an_exported_distribution_has_the_reports_percentiles() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary directory");
    let recording = folder.path().join("r.ftrace");
    let touch = lab("touch");
    let output = record(
        &recording,
        &[],
        &[touch.to_str().expect("text"), "512", "8"],
    );
    assert!(output.status.success(), "{output:?}");
    let path = recording.to_str().expect("text");
    let report = Report::of_run(&["report", path, "--format", "json"]);
    let output = run(["export", path, "--to", "hgrm"]);
    assert!(output.status.success(), "{output:?}");
    let rows: Vec<Vec<f64>> = text(&output.stdout)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().flat_map(str::parse).collect())
        .filter(|row: &Vec<f64>| row.len() >= 3)
        .collect();
    let at = |percentile: f64| {
        let row = rows.iter().find(|row| row[1] == percentile);
        row.map(|row| row[0] as i64)
    };
    let reported = |key: &str| report.number(&format!("/total/latency_ns/{key}"));
    assert_eq!(at(0.0), Some(reported("min")));
    assert_eq!(at(0.5), Some(reported("p50")));
    assert_eq!(at(0.9), Some(reported("p90")));
    assert_eq!(at(1.0), Some(reported("max")));
    let timed = report.number("/total/count") - report.number("/total/untimed");
    assert_eq!(rows.last().map(|row| row[2] as i64), Some(timed));
}
