//! What faults cost of a run: their time against the CPU time and the wall time of the target.

use serde::Serialize;

use fault_trace_common::{
    Hook,
    phase::{Nature, Phase, REST},
};

use super::tally::Tally;
use fault_trace_model::{Run, totals::saturating_sum};

/// The time of the faults of the traced processes against that of the run.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Cost {
    /// Sum of the known latencies of all faults, whatever the filters, ns. It holds the time in which
    /// they waited.
    pub latency_ns: u64,
    /// User and system time of the traced processes over the run, ns.
    pub cpu_ns: Option<u64>,
    /// `latency_ns` a ns of CPU time. Waiting takes no CPU, so this is the most that the faults can
    /// have taken of it, and above 1 where they mostly waited.
    pub fault_share_of_cpu: Option<f64>,
    /// `latency_ns` a ns of the run: how many threads were in a fault at a time, on average.
    pub mean_threads_in_faults: Option<f64>,
    /// Of the faults that passed the filters: the part of the known latencies that was the CPU's own,
    /// ns; `None` where phases were not measured.
    pub on_cpu_ns: Option<u64>,
    /// `on_cpu_ns` per ns of CPU time.
    pub on_cpu_share_of_cpu: Option<f64>,
    /// Of those, waiting: for locks, for I/O, asleep, or ready to run while another thread ran; ns.
    pub waiting_ns: Option<u64>,
    /// Of those, reclaiming and compacting memory, which works and waits, ns.
    pub reclaiming_ns: Option<u64>,
}

impl Cost {
    /// The cost of `run`, complete or not.
    #[must_use]
    pub(super) fn new(run: &Run, passed: &Tally) -> Self {
        let measured = run.hooks.has(Hook::SchedSwitch);
        let spent_ns = |wanted: &[Option<Nature>]| {
            let phases = Phase::ALL
                .iter()
                .filter(|phase| wanted.contains(&phase.nature()));
            let spent = phases.map(|&phase| passed.phases_ns[phase as usize]);
            measured.then(|| saturating_sum(spent))
        };
        let on_cpu_ns = spent_ns(&[REST.nature()]);
        let latency_ns = run.totals.counts.latency_ns;
        let duration_ns = run.stopped_ns.saturating_sub(run.started_ns);
        Self {
            latency_ns,
            cpu_ns: run.cpu_ns,
            fault_share_of_cpu: share(latency_ns, run.cpu_ns),
            mean_threads_in_faults: share(latency_ns, Some(duration_ns)),
            on_cpu_ns,
            on_cpu_share_of_cpu: on_cpu_ns.and_then(|ns| share(ns, run.cpu_ns)),
            waiting_ns: spent_ns(&[Some(Nature::Waits), Some(Nature::Away)]),
            reclaiming_ns: spent_ns(&[Some(Nature::Works)]),
        }
    }
}

/// A share, rounded to six digits after the point; `None` of nothing or of something unknown.
#[must_use]
pub fn share(part_ns: u64, whole_ns: Option<u64>) -> Option<f64> {
    let whole_ns = whole_ns.filter(|&ns| ns > 0)?;
    Some((part_ns as f64 / whole_ns as f64 * 1e6).round() / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_common::Hooks;
    use fault_trace_model::sample::database;

    #[test]
    fn faults_that_wait_can_cost_more_time_than_there_is_cpu_time() {
        let mut run = database();
        (run.started_ns, run.stopped_ns) = (0, 1_000);
        run.totals.counts.latency_ns = 1_500;
        run.cpu_ns = Some(500);
        let cost = Cost::new(&run, &Tally::new(&run.totals.classes));
        assert_eq!(cost.fault_share_of_cpu, Some(3.0));
        assert_eq!(cost.mean_threads_in_faults, Some(1.5));
    }

    #[test]
    fn waiting_is_told_apart_from_the_cpus_part() {
        let mut run = database();
        let class = &mut run.totals.classes[0];
        let sum_ns = class.sum_ns;
        class.phases_ns = Default::default();
        let (away, works) = (
            [Phase::Lock, Phase::Io, Phase::Sleep, Phase::Preempted],
            [Phase::Reclaim, Phase::Compaction],
        );
        for (index, phase) in away.into_iter().chain(works).enumerate() {
            class.phases_ns[phase as usize] = 1 << index;
        }
        run.cpu_ns = Some(sum_ns * 2);
        let classes = &run.totals.classes[..1];
        let cost = Cost::new(&run, &Tally::new(classes));
        assert_eq!(cost.on_cpu_ns, Some(sum_ns - 63));
        assert_eq!((cost.waiting_ns, cost.reclaiming_ns), (Some(15), Some(48)));
        assert_eq!(cost.on_cpu_share_of_cpu, Some(0.5));
    }

    #[test]
    fn without_the_hook_of_sleep_nothing_is_said_of_waiting() {
        let mut run = database();
        run.hooks = Hooks::CORE;
        let cost = Cost::new(&run, &Tally::new(&run.totals.classes));
        assert_eq!((cost.on_cpu_ns, cost.waiting_ns), (None, None));
        assert_eq!(cost.on_cpu_share_of_cpu, None);
    }

    #[test]
    fn no_share_is_made_up_for_a_cpu_time_that_is_not_known() {
        assert_eq!(share(7, None), None);
        assert_eq!(share(7, Some(0)), None);
        assert_eq!(share(1, Some(3)), Some(0.333_333));
    }
}
