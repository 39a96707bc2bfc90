//! What the rounds of a tracer say of itself.

use super::Rounds;
use crate::bench::{
    measure::{Sample, Tool},
    statistics::{Spread, spread},
    workload::Workload,
};

#[derive(Debug)]
pub(in crate::bench) struct ToolSummary {
    /// From the workload's start to its own end, per fault that it saw, beyond what a workload
    /// without faults makes it take. Noise can make it negative.
    pub(in crate::bench) cpu_per_fault_ns: Option<Spread>,
    /// All that it wrote, per fault that it saw.
    pub(in crate::bench) bytes_per_fault: Option<Spread>,
    /// Until the workload began, and from then to its own end.
    pub(in crate::bench) start_cpu_ns: Spread,
    pub(in crate::bench) cpu_ns: Spread,
    /// The most of all rounds.
    pub(in crate::bench) peak_bytes: u64,
    pub(in crate::bench) until_start_ns: Spread,
    /// What it saw, in percent of what the kernel counted for the workload; the whole machine's
    /// faults can make it more.
    pub(in crate::bench) seen_percent: Option<Spread>,
    /// What it says that it lost, over all rounds.
    pub(in crate::bench) lost: Option<u64>,
}

impl Rounds<'_> {
    pub(super) fn tool(&self, mode: &str, samples: &[&Sample]) -> Option<ToolSummary> {
        let tools = || samples.iter().filter_map(|sample| sample.tool.as_ref());
        let without_faults = self.results.load(Workload::Nothing);
        let without_faults_ns = without_faults.and_then(|load| {
            let samples = load.samples(self.index(mode)?);
            Some(
                spread(samples.filter_map(|sample| Some(sample.tool.as_ref()?.cpu_ns as f64)))?
                    .median,
            )
        });
        let per_fault = |value: &dyn Fn(&Tool) -> Option<f64>| {
            let per_fault = samples.iter().filter_map(|sample| {
                let tool = sample.tool.as_ref()?;
                let faults = tool.seen?.faults;
                // Otherwise it traced something else.
                let is_of_workload = 2 * faults > sample.cost.faults;
                is_of_workload.then_some(value(tool)? / faults as f64)
            });
            let is_about_faults = self.load.load.is_faulting();
            is_about_faults.then(|| spread(per_fault)).flatten()
        };
        let seen = samples.iter().filter_map(|sample| {
            let seen = sample.tool.as_ref()?.seen?.faults;
            (sample.cost.faults > 0).then(|| seen as f64 / sample.cost.faults as f64 * 100.0)
        });
        let lost = tools().filter_map(|tool| tool.seen?.lost);
        Some(ToolSummary {
            cpu_per_fault_ns: per_fault(&|tool| Some(tool.cpu_ns as f64 - without_faults_ns?)),
            bytes_per_fault: per_fault(&|tool| Some(tool.disk_bytes? as f64)),
            start_cpu_ns: spread(tools().map(|tool| tool.start_cpu_ns as f64))?,
            cpu_ns: spread(tools().map(|tool| tool.cpu_ns as f64))?,
            peak_bytes: tools().map(|tool| tool.peak_bytes).max()?,
            until_start_ns: spread(tools().map(|tool| tool.until_start_ns as f64))?,
            seen_percent: spread(seen),
            lost: lost.reduce(|sum, lost| sum + lost),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{
        modes::{RECORD, UNTRACED},
        summary::tests::{results, sample},
    };

    #[test]
    fn a_tool_costs_what_it_takes_beyond_a_run_without_faults() {
        let without = vec![vec![
            sample(1.0, 1.0, None),
            sample(1.0, 1.0, Some((500_000, 7000))),
        ]];
        let with = vec![vec![
            sample(1.0, 1.0, None),
            sample(1.0, 1.0, Some((700_000, 11_000))),
        ]];
        let results = results(&[UNTRACED, RECORD], without, with);
        let load = results.load(Workload::Anonymous).expect("there");
        let rounds = Rounds {
            results: &results,
            load,
        };
        let tool = rounds.summary(RECORD).and_then(|summary| summary.tool);
        let tool = tool.expect("measured");
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        assert_eq!(median(tool.cpu_per_fault_ns), Some(200.0));
        assert_eq!(median(tool.bytes_per_fault), Some(11.0));
        assert_eq!(median(tool.seen_percent), Some(100.0));
        assert_eq!(tool.lost, Some(1));
    }
}
