//! What tracing may cost, held against what was measured. A measurement is not a test: nothing fails.

use super::{
    Results,
    modes::{
        BPFTRACE_HISTOGRAM, FLOOR, PERF_RECORD, PERF_STAT_ALL, RECORD, RECORD_ALL, RECORD_OTHER,
        STAT, STAT_ALL, STAT_OTHER,
    },
    statistics::Spread,
    summary::{Rounds, ToolSummary},
    workload::Workload,
};

/// How a target was met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Met,
    /// The median is within the limit, the upper quartile is not.
    MostlyMet,
    /// The lower quartile is within the limit, the median is not.
    MostlyMissed,
    Missed,
    NotMeasured,
}

impl Verdict {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::MostlyMet => "met ~",
            Self::MostlyMissed => "missed ~",
            Self::Missed => "missed",
            Self::NotMeasured => "not measured",
        }
    }

    /// Of something that must not be above the limit.
    fn of(measured: Option<Spread>, limit: f64) -> Self {
        match measured {
            None => Self::NotMeasured,
            Some(measured) if measured.upper <= limit => Self::Met,
            Some(measured) if measured.median <= limit => Self::MostlyMet,
            Some(measured) if measured.lower <= limit => Self::MostlyMissed,
            Some(_) => Self::Missed,
        }
    }
}

/// One line of the check.
pub(super) struct Check {
    pub(super) target: String,
    pub(super) limit: f64,
    /// In the limit's unit; also `None` where noise has swallowed what it is a ratio to.
    pub(super) measured: Option<Spread>,
    /// Of a ratio: what is added beyond the limit, ns.
    pub(super) beyond_ns: Option<Spread>,
    pub(super) verdict: Verdict,
}

/// The most that each may add, as a multiple of what another adds, for a workload.
const RATIOS: [(Workload, &str, f64, &str); 8] = [
    (Workload::Anonymous, STAT, 1.8, FLOOR),
    (Workload::Anonymous, STAT_ALL, 1.8, FLOOR),
    (Workload::Anonymous, RECORD, 1.0, PERF_RECORD),
    (Workload::Anonymous, RECORD, 0.5, BPFTRACE_HISTOGRAM),
    (Workload::Innocent, STAT_ALL, 1.2, PERF_STAT_ALL),
    (Workload::Innocent, RECORD_ALL, 1.2, PERF_STAT_ALL),
    (Workload::Innocent, STAT_OTHER, 1.2, PERF_STAT_ALL),
    (Workload::Innocent, RECORD_OTHER, 1.2, PERF_STAT_ALL),
];

const BYTES_PER_FAULT: f64 = 6.0;
const READER_NS_PER_FAULT: f64 = 250.0;
const START_MS: f64 = 300.0;

pub(super) fn checks(results: &Results) -> Vec<Check> {
    let mut checks: Vec<Check> = RATIOS
        .into_iter()
        .map(|(load, mode, times, base)| ratio(results, load, mode, times, base))
        .collect();
    checks.push(lost(results));
    for mode in [RECORD, RECORD_ALL] {
        checks.push(figure(
            results,
            Workload::Anonymous,
            mode,
            &format!("bytes on disk per fault of `{mode}`"),
            BYTES_PER_FAULT,
            |tool| tool.bytes_per_fault,
        ));
    }
    for mode in [RECORD, RECORD_ALL] {
        checks.push(figure(
            results,
            Workload::Anonymous,
            mode,
            &format!("ns of CPU per fault that `{mode}` takes itself"),
            READER_NS_PER_FAULT,
            |tool| tool.cpu_per_fault_ns,
        ));
    }
    for mode in [STAT, RECORD, RECORD_ALL] {
        checks.push(figure(
            results,
            Workload::Nothing,
            mode,
            &format!("ms from the start of `{mode}` to when faults count"),
            START_MS,
            |tool| Some(tool.until_start_ns.map(|ns| ns / 1e6)),
        ));
    }
    checks
}

fn ratio(results: &Results, load: Workload, mode: &str, times: f64, base: &str) -> Check {
    let rounds = results.load(load).map(|load| Rounds { results, load });
    // The verdict rests on the difference, which noise in the base does not blow up.
    let beyond_ns = rounds
        .as_ref()
        .and_then(|rounds| rounds.beyond(mode, times, base));
    Check {
        target: format!("{}: `{mode}`, × `{base}`", load.name()),
        limit: times,
        measured: rounds.and_then(|rounds| rounds.ratio(mode, base)),
        beyond_ns,
        verdict: Verdict::of(beyond_ns, 0.0),
    }
}

/// Faults that any of our modes lost in any round.
fn lost(results: &Results) -> Check {
    let lost = results.loads.iter().flat_map(|load| {
        let rounds = Rounds { results, load };
        [RECORD, RECORD_ALL]
            .into_iter()
            .filter_map(move |mode| rounds.summary(mode)?.tool?.lost)
    });
    let lost = lost.reduce(|sum, lost| sum + lost);
    let measured = lost.map(|lost| Spread::exactly(lost as f64));
    Check {
        target: format!("faults lost by `{RECORD}` and `{RECORD_ALL}`, all workloads"),
        limit: 0.0,
        measured,
        beyond_ns: None,
        verdict: Verdict::of(measured, 0.0),
    }
}

fn figure(
    results: &Results,
    load: Workload,
    mode: &str,
    target: &str,
    limit: f64,
    value: impl Fn(ToolSummary) -> Option<Spread>,
) -> Check {
    let rounds = results.load(load).map(|load| Rounds { results, load });
    let summary = rounds.and_then(|rounds| rounds.summary(mode));
    let measured = summary.and_then(|summary| value(summary.tool?));
    Check {
        target: target.to_owned(),
        limit,
        measured,
        beyond_ns: None,
        verdict: Verdict::of(measured, limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        modes::UNTRACED,
        summary::tests::{results, sample},
    };

    fn spread(lower: f64, median: f64, upper: f64) -> Spread {
        Spread {
            lower,
            median,
            upper,
        }
    }

    #[test]
    fn a_verdict_says_how_sure_it_is() {
        let verdict = |lower, median, upper| Verdict::of(Some(spread(lower, median, upper)), 2.0);
        assert_eq!(verdict(1.0, 1.5, 2.0), Verdict::Met);
        assert_eq!(verdict(1.0, 1.5, 2.1), Verdict::MostlyMet);
        assert_eq!(verdict(1.0, 2.1, 2.2), Verdict::MostlyMissed);
        assert_eq!(verdict(2.1, 2.2, 2.3), Verdict::Missed);
        assert_eq!(Verdict::of(None, 2.0), Verdict::NotMeasured);
    }

    fn check(checks: &[Check], target: &str) -> Verdict {
        let mut found = checks.iter().filter(|check| check.target.contains(target));
        let check = found.next().expect("a target");
        assert!(found.next().is_none(), "several: {target}");
        check.verdict
    }

    #[test]
    fn targets_are_met_missed_or_not_measured() {
        let nothing = vec![vec![
            sample(1.0, 1.0, None),
            None,
            None,
            sample(1.0, 1.0, Some((0, 0))),
        ]];
        let round = vec![
            sample(1000.0, 1000.0, None),
            sample(1000.0, 1100.0, None),
            sample(1000.0, 1170.0, None),
            sample(1000.0, 1100.0, Some((300_000, 5_000))),
        ];
        let names = [UNTRACED, FLOOR, STAT, RECORD];
        let results = results(&names, nothing, vec![round]);
        let checks = checks(&results);
        assert_eq!(check(&checks, "`stat`, × `floor`"), Verdict::Met);
        assert_eq!(check(&checks, "`stat -a`, × `floor`"), Verdict::NotMeasured);
        assert_eq!(
            check(&checks, "`record`, × `perf record`"),
            Verdict::NotMeasured
        );
        assert_eq!(
            check(&checks, "bytes on disk per fault of `record`"),
            Verdict::Met
        );
        assert_eq!(
            check(&checks, "CPU per fault that `record` "),
            Verdict::Missed
        );
        assert_eq!(
            check(&checks, "ms from the start of `record` "),
            Verdict::Met
        );
        assert_eq!(check(&checks, "faults lost"), Verdict::Missed);
    }
}
