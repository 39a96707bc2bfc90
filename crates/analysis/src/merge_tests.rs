//! Reports on merged runs.

use super::Report;
use fault_trace_model::{Accounting, Run, merge::merge, sample::database};

fn merged(runs: &[Run]) -> Run {
    let named = (1..)
        .zip(runs)
        .map(|(n, run)| (format!("{n}.ftrace"), run.clone()));
    merge(named.collect()).expect("they are of one machine")
}

#[test]
fn one_run_stays_as_it_is() {
    let run = merged(&[database()]);
    assert_eq!(Report::new(&run), Report::new(&database()));
}

#[test]
fn counts_histograms_and_times_are_sums_and_still_add_up() {
    let (one, two) = (Report::new(&database()), database());
    let sum = merged(&[database(), two]);
    let report = Report::new(&sum);
    assert_eq!(report.total.count, 2 * one.total.count);
    assert_eq!(report.total.time_ns(), 2 * one.total.time_ns());
    assert_eq!(report.duration_ns, 2 * one.duration_ns);
    assert_eq!(report.cost.cpu_ns, one.cost.cpu_ns.map(|ns| 2 * ns));
    assert_eq!(report.started_unix_ns, one.started_unix_ns);
    let quantiles = |report: &Report| report.total.latency_ns.map(|ns| (ns.p50, ns.p999, ns.max));
    assert_eq!(
        quantiles(&report),
        quantiles(&one),
        "twice the same distribution"
    );
    let accounting = Accounting::new(&sum);
    assert!(accounting.adds_up);
    assert_eq!(accounting.unexplained, Some(0));
    let names = |report: &Report| -> Vec<u32> {
        report.processes.iter().map(|process| process.pid).collect()
    };
    assert_eq!(
        names(&report),
        names(&one),
        "the same processes of the same machine"
    );
    assert_eq!(sum.notes.len(), 1, "{:?}", sum.notes);
}
