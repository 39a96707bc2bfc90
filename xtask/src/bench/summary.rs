//! What the rounds of a mode say together.

mod tool;

use super::{
    LoadResults, Results,
    modes::{BPFTRACE_HISTOGRAM, FLOOR, PERF_RECORD, PERF_STAT_ALL, UNTRACED},
    statistics::{Spread, spread},
};

pub(super) use tool::ToolSummary;

/// The modes that costs are held against.
pub(super) const BASES: [&str; 4] = [FLOOR, PERF_RECORD, BPFTRACE_HISTOGRAM, PERF_STAT_ALL];

#[derive(Debug)]
pub(super) struct Summary {
    /// ns per fault, or per turn.
    pub(super) whole_ns: Spread,
    /// What is beyond the untraced workload's beside it.
    pub(super) added_ns: Spread,
    /// Of the untraced workload's, likewise.
    pub(super) slower_percent: Spread,
    /// What is added to each part.
    pub(super) parts_added_ns: Vec<Spread>,
    /// Added cost as a multiple of each of [`BASES`] in the same round.
    pub(super) ratios: [Option<Spread>; BASES.len()],
    pub(super) tool: Option<ToolSummary>,
}

/// A mode's rounds beside others.
pub(super) struct Rounds<'a> {
    pub(super) results: &'a Results,
    pub(super) load: &'a LoadResults,
}

impl Rounds<'_> {
    fn index(&self, mode: &str) -> Option<usize> {
        self.results.modes.iter().position(|of| of.name == mode)
    }

    /// Of each round in which the mode was measured: a part's ns, and that of the untraced workload
    /// beside it.
    fn pairs(&self, mode: &str, part: usize) -> Vec<Option<(f64, f64)>> {
        let mode = self.index(mode);
        let rounds = self.load.rounds.iter();
        rounds
            .map(|round| {
                let sample = round.get(mode?)?.as_ref()?;
                let (traced, untraced) = (&sample.cost.parts_ns, &sample.untraced_ns);
                Some((*traced.get(part)?, *untraced.get(part)?))
            })
            .collect()
    }

    /// Likewise: the ns beyond the untraced workload's.
    fn added(&self, mode: &str, part: usize) -> Vec<Option<f64>> {
        let pairs = self.pairs(mode, part).into_iter();
        pairs
            .map(|pair| pair.map(|(traced, untraced)| traced - untraced))
            .collect()
    }

    /// `value` of each round in which both were measured, from what both add.
    fn compared(
        &self,
        mode: &str,
        base: &str,
        value: impl Fn(f64, f64) -> Option<f64>,
    ) -> Option<Spread> {
        let (added, base) = (self.added(mode, 0), self.added(base, 0));
        spread(
            added
                .into_iter()
                .zip(base)
                .filter_map(|(added, base)| value(added?, base?)),
        )
    }

    /// What the mode adds, as a multiple of what the base adds; `None` where noise has swallowed the
    /// base in more than a quarter of the rounds: those that are left would mislead.
    pub(super) fn ratio(&self, mode: &str, base: &str) -> Option<Spread> {
        let of_base = self.compared(mode, base, |_, base| Some(base))?;
        if of_base.lower <= 0.0 {
            return None;
        }
        self.compared(mode, base, |added, base| {
            (base > 0.0).then_some(added / base)
        })
    }

    /// What the mode adds beyond so many times what the base adds, ns.
    pub(super) fn beyond(&self, mode: &str, times: f64, base: &str) -> Option<Spread> {
        self.compared(mode, base, |added, base| Some(added - times * base))
    }

    /// `None` for a mode that was not measured.
    pub(super) fn summary(&self, mode: &str) -> Option<Summary> {
        let index = self.index(mode)?;
        let samples = || {
            let rounds = self.load.rounds.iter();
            rounds.filter_map(move |round| round.get(index)?.as_ref())
        };
        let whole_ns =
            spread(samples().filter_map(|sample| sample.cost.parts_ns.first().copied()))?;
        let parts = 0..self.load.load.parts().len();
        let slower = self.pairs(mode, 0).into_iter().flatten();
        Some(Summary {
            whole_ns,
            added_ns: spread(self.added(mode, 0).into_iter().flatten())?,
            slower_percent: spread(
                slower.map(|(traced, untraced)| (traced - untraced) / untraced * 100.0),
            )?,
            parts_added_ns: parts
                .map(|part| spread(self.added(mode, part).into_iter().flatten()))
                .collect::<Option<_>>()?,
            ratios: BASES.map(|base| {
                let is_compared = mode != UNTRACED && mode != base;
                is_compared.then(|| self.ratio(mode, base)).flatten()
            }),
            tool: self.tool(mode, &samples().collect::<Vec<_>>()),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::{
        measure::{Sample, Tool},
        modes::{Leaves, Maker, Mode, RECORD, Shape},
        outcome::{Cost, Seen},
        workload::Workload,
    };

    /// Of a workload that takes 1000 faults: ns a fault untraced and traced, then CPU and bytes of the tool.
    pub(in crate::bench) fn sample(
        untraced_ns: f64,
        ns: f64,
        tool: Option<(u64, u64)>,
    ) -> Option<Sample> {
        Some(Sample {
            cost: Cost {
                parts_ns: vec![ns, 1.0],
                faults: 1000,
                ..Cost::default()
            },
            untraced_ns: vec![untraced_ns, 1.0],
            tool: tool.map(|(cpu_ns, disk_bytes)| Tool {
                start_cpu_ns: 0,
                cpu_ns,
                peak_bytes: 1 << 20,
                until_start_ns: 250_000_000,
                seen: Some(Seen {
                    faults: 1000,
                    lost: Some(1),
                }),
                disk_bytes: Some(disk_bytes),
            }),
        })
    }

    /// Rounds of these modes with [`Workload::Nothing`] and [`Workload::Anonymous`].
    pub(in crate::bench) fn results(
        names: &[&'static str],
        nothing: Vec<Vec<Option<Sample>>>,
        anonymous: Vec<Vec<Option<Sample>>>,
    ) -> Results {
        let mode = |&name| Mode {
            name,
            maker: Maker::Ours,
            shape: Shape::Launches,
            tracer: Vec::new(),
            leaves: Leaves::Nothing,
            is_slow: false,
            is_central: true,
        };
        let load = |load, rounds| LoadResults { load, rounds };
        Results {
            modes: names.iter().map(mode).collect(),
            skipped: Vec::new(),
            failures: Vec::new(),
            loads: vec![
                load(Workload::Nothing, nothing),
                load(Workload::Anonymous, anonymous),
            ],
            load_average: Default::default(),
        }
    }

    #[test]
    fn what_is_added_is_held_against_the_same_round() {
        // The second round was slow for all.
        let rounds = vec![
            vec![
                sample(1000.0, 1000.0, None),
                sample(1000.0, 1200.0, None),
                sample(1000.0, 1400.0, None),
            ],
            vec![
                sample(5000.0, 5000.0, None),
                sample(5000.0, 5100.0, None),
                sample(5000.0, 5200.0, None),
            ],
        ];
        let results = results(&[UNTRACED, FLOOR, RECORD], Vec::new(), rounds);
        let load = results.load(Workload::Anonymous).expect("there");
        let rounds = Rounds {
            results: &results,
            load,
        };
        let summary = rounds.summary(RECORD).expect("measured");
        assert_eq!(summary.added_ns.median, 300.0);
        assert_eq!(summary.ratios[0].map(|ratio| ratio.median), Some(2.0));
        assert_eq!(summary.slower_percent.median, 22.0);
        assert!(rounds.summary("perf trace").is_none());
    }

    #[test]
    fn a_base_that_noise_has_swallowed_gives_no_ratio_but_a_difference() {
        let round = |floor| {
            vec![
                sample(1000.0, 1000.0, None),
                sample(1000.0, floor, None),
                sample(1000.0, 1400.0, None),
            ]
        };
        let rounds = vec![round(990.0), round(1010.0)];
        let results = results(&[UNTRACED, FLOOR, RECORD], Vec::new(), rounds);
        let load = results.load(Workload::Anonymous).expect("there");
        let rounds = Rounds {
            results: &results,
            load,
        };
        assert_eq!(rounds.ratio(RECORD, FLOOR), None);
        let beyond = rounds.beyond(RECORD, 1.8, FLOOR).expect("measured");
        assert_eq!(beyond.median, 400.0);
    }
}
