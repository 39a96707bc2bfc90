//! The one report that every renderer and exporter shows.

use fault_trace_common::{Class, Family};
use serde::{Serialize, Serializer};

use super::{
    cost::{Cost, share},
    estimate::Estimate,
    slowest::SlowFault,
    tally::Tally,
    view::View,
};
use fault_trace_model::{
    Accounting, Calibration, Loss, Passed, ProcessTotals, Run, ThreadTotals,
    accounting::{ended, knows_off_cpu, knows_passed, losses, unexplained},
    damage::DamagedFile,
    gup::GupBy,
    run::{Host, RunOptions},
    totals::KernelCounts,
};

/// The version of the JSON form; raised when a key changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// What a run showed. Its serialised form is the stable JSON of every command.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    pub schema: u32,
    pub tool_version: String,
    /// The launched command and its arguments; empty when attached.
    pub command: Vec<String>,
    /// What was traced, for people.
    pub target: String,
    pub host: Host,
    pub options: RunOptions,
    /// ns since 1970-01-01T00:00:00Z.
    pub started_unix_ns: i64,
    pub duration_ns: u64,
    /// Whether the run was stopped in order.
    pub complete: bool,
    pub exit_status: Option<i32>,
    pub accounting: Accounting,
    #[serde(serialize_with = "losses_as_map")]
    pub losses: Vec<Loss>,
    /// What degraded the run, for people.
    pub notes: Vec<String>,
    /// The files of the recording that are damaged, where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<DamagedFile>,
    /// What the faults cost of the run.
    pub cost: Cost,
    /// What faults cost on this machine, where that was measured with the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// What the faults would have cost without the tracer, by the calibration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// All faults together.
    pub total: Tally,
    /// The families that were seen, in the order of `Family::ALL`.
    pub families: Vec<FamilyRow>,
    /// The classes that were seen, in the order of `Class::ALL`.
    pub classes: Vec<ClassRow>,
    /// Ordered by pid.
    pub processes: Vec<ProcessRow>,
    /// Threads that were alive at the stop, most fault time first.
    pub threads: Vec<ThreadRow>,
    #[serde(flatten)]
    pub content: Content,
}

/// What is shown of a run.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Content {
    /// The totals alone.
    #[default]
    Summary,
    /// The recorded faults grouped by something.
    View(Box<View>),
    /// The slowest recorded faults.
    Slowest(Vec<SlowFault>),
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Summary => serializer.collect_map::<&str, (), _>([]),
            Self::View(view) => serializer.collect_map([("view", view)]),
            Self::Slowest(faults) => serializer.collect_map([("slowest", faults)]),
        }
    }
}

/// One family's totals.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct FamilyRow {
    pub family: Family,
    #[serde(flatten)]
    pub tally: Tally,
}

/// One class's totals.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ClassRow {
    pub family: Family,
    pub class: Class,
    #[serde(flatten)]
    pub tally: Tally,
}

/// One process's totals.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ProcessRow {
    pub pid: u32,
    /// Raw bytes; in JSON text, with U+FFFD for what is not UTF-8.
    #[serde(serialize_with = "lossy")]
    pub comm: Vec<u8>,
    pub started: u64,
    pub ended: u64,
    pub minor: u64,
    pub major: u64,
    pub failed: u64,
    pub gup: u64,
    /// The same by what they did, inferred.
    pub gup_by: GupBy,
    /// Sum of the known latencies, ns.
    pub latency_ns: u64,
    /// What passed the filters; `None` where that is not known.
    pub passed: Option<Passed>,
    pub kernel: Option<KernelCounts>,
    pub unexplained: Option<i64>,
    /// User and system time over the run, ns.
    pub cpu_ns: Option<u64>,
    /// See [`Cost::fault_share_of_cpu`].
    pub fault_share_of_cpu: Option<f64>,
    /// See [`Cost::on_cpu_share_of_cpu`].
    pub on_cpu_share_of_cpu: Option<f64>,
}

/// One live thread's totals.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ThreadRow {
    pub pid: u32,
    pub tid: u32,
    /// Raw bytes; in JSON text, with U+FFFD for what is not UTF-8.
    #[serde(serialize_with = "lossy")]
    pub comm: Vec<u8>,
    pub started: u64,
    /// Sum of the known latencies, ns.
    pub latency_ns: u64,
    /// What passed the filters; `None` where that is not known.
    pub passed: Option<Passed>,
    pub cpu_ns: Option<u64>,
    pub fault_share_of_cpu: Option<f64>,
    /// See [`Cost::on_cpu_share_of_cpu`].
    pub on_cpu_share_of_cpu: Option<f64>,
}

impl Report {
    /// The report of `run`, complete or not.
    #[must_use]
    pub fn new(run: &Run) -> Self {
        let total = Tally::new(&run.totals.classes);
        let calibration = run.calibration.as_ref();
        Self {
            schema: SCHEMA,
            tool_version: run.tool_version.clone(),
            command: run.command.clone(),
            target: run.target.clone(),
            host: run.host.clone(),
            options: run.options.clone(),
            started_unix_ns: run.clock.unix_ns_at(run.started_ns),
            duration_ns: run.stopped_ns.saturating_sub(run.started_ns),
            complete: run.complete,
            exit_status: run.exit_status,
            accounting: Accounting::new(run),
            losses: losses(run),
            notes: run.notes.clone(),
            damaged: Vec::new(),
            cost: Cost::new(run, &total),
            estimate: calibration.and_then(|measured| Estimate::new(&total, measured)),
            calibration: calibration.cloned(),
            total,
            families: families(run),
            classes: class_rows(run),
            processes: process_rows(run),
            threads: thread_rows(run),
            content: Content::Summary,
        }
    }
}

fn families(run: &Run) -> Vec<FamilyRow> {
    let row = |family| FamilyRow {
        family,
        tally: Tally::new(
            run.totals
                .classes
                .iter()
                .filter(|totals| totals.class.family() == family),
        ),
    };
    Family::ALL
        .into_iter()
        .map(row)
        .filter(|row| row.tally.count > 0)
        .collect()
}

fn class_rows(run: &Run) -> Vec<ClassRow> {
    let mut rows: Vec<ClassRow> = run
        .totals
        .classes
        .iter()
        .map(|totals| ClassRow {
            family: totals.class.family(),
            class: totals.class,
            tally: Tally::new([totals]),
        })
        .filter(|row| row.tally.count > 0)
        .collect();
    rows.sort_by_key(|row| row.class);
    rows
}

fn process_rows(run: &Run) -> Vec<ProcessRow> {
    let (knows_passed, knows_off_cpu) = (knows_passed(run), knows_off_cpu(run));
    let row = |totals: &ProcessTotals| {
        let counts = &totals.counts;
        let passed = knows_passed.then(|| Passed::of(counts));
        ProcessRow {
            pid: totals.pid,
            comm: totals.comm.clone(),
            started: counts.started,
            ended: ended(counts),
            minor: counts.minor,
            major: counts.major,
            failed: counts.failed,
            gup: counts.gup,
            gup_by: GupBy::of(counts),
            latency_ns: counts.latency_ns,
            passed,
            kernel: totals.kernel,
            unexplained: unexplained(totals.kernel, counts),
            cpu_ns: totals.cpu_ns,
            fault_share_of_cpu: share(counts.latency_ns, totals.cpu_ns),
            on_cpu_share_of_cpu: on_cpu_share(passed, totals.cpu_ns, knows_off_cpu),
        }
    };
    run.totals.processes.iter().map(row).collect()
}

fn thread_rows(run: &Run) -> Vec<ThreadRow> {
    let knows_off_cpu = knows_off_cpu(run);
    let row = |totals: &ThreadTotals| ThreadRow {
        pid: totals.pid,
        tid: totals.tid,
        comm: totals.comm.clone(),
        started: totals.started,
        latency_ns: totals.latency_ns,
        passed: totals.passed,
        cpu_ns: totals.cpu_ns,
        fault_share_of_cpu: share(totals.latency_ns, totals.cpu_ns),
        on_cpu_share_of_cpu: on_cpu_share(totals.passed, totals.cpu_ns, knows_off_cpu),
    };
    run.totals.threads.iter().map(row).collect()
}

fn on_cpu_share(passed: Option<Passed>, cpu_ns: Option<u64>, is_known: bool) -> Option<f64> {
    let passed = passed.filter(|_| is_known)?;
    share(passed.on_cpu_ns(), cpu_ns)
}

fn losses_as_map<S: Serializer>(losses: &[Loss], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(losses.iter().map(|loss| (loss.name, loss.count)))
}

fn lossy<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_model::sample::database;

    #[test]
    fn a_family_is_the_sum_of_its_classes() {
        let report = Report::new(&database());
        assert!(report.families.len() < report.classes.len());
        for family in &report.families {
            let classes = || {
                let rows = report.classes.iter();
                rows.filter(|row| row.family == family.family)
                    .map(|row| &row.tally)
            };
            let sum = |of: fn(&Tally) -> u64| classes().map(of).sum::<u64>();
            assert_eq!(family.tally.count, sum(|tally| tally.count));
            assert_eq!(family.tally.time_ns(), sum(Tally::time_ns));
            assert_eq!(family.tally.untimed, sum(|tally| tally.untimed));
        }
    }

    #[test]
    fn classes_come_in_the_order_of_the_output_whatever_the_run_has() {
        let mut run = database();
        run.totals.classes.reverse();
        let report = Report::new(&run);
        assert!(report.classes.is_sorted_by_key(|row| row.class));
    }

    #[test]
    fn the_extremes_of_all_faults_are_exact() {
        let run = database();
        let all = Report::new(&run)
            .total
            .latency_ns
            .expect("faults have latencies");
        let classes = &run.totals.classes;
        assert_eq!(
            Some(all.min),
            classes.iter().filter_map(|class| class.min_ns).min()
        );
        assert_eq!(
            Some(all.max),
            classes.iter().filter_map(|class| class.max_ns).max()
        );
        assert_eq!(
            all.sum,
            classes.iter().map(|class| class.sum_ns).sum::<u64>()
        );
    }
}
