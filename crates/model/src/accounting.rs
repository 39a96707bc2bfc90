//! Accounting of every fault: the eBPF programs' counts against themselves, against the
//! recorded events and against the kernel's own counters.

use fault_trace_common::{Counter, Hook};
use serde::Serialize;

use super::{
    cause::{Cause, causes},
    gup::GupBy,
    run::{KernelReading, Run},
    totals::{ClassTotals, Counts, KernelCounts},
};

/// The accounting of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Accounting {
    pub started: u64,
    /// Completed by `handle_mm_fault`: minor and major.
    pub ended: u64,
    /// Closed without END.
    pub failed: u64,
    /// Neither ended nor failed at the stop.
    pub open: u64,
    pub recorded: u64,
    pub dropped: u64,
    pub filtered: u64,
    /// Closed, and in no class: the filters leave them out.
    pub left_out: u64,
    pub kernel: Option<KernelReading>,
    /// Faults without an exception (get_user_pages).
    pub gup: u64,
    /// The same by what they did, inferred.
    pub gup_by: GupBy,
    /// What the kernel counted beyond `ended` and `gup`; `None` without a reading.
    pub unexplained: Option<i64>,
    /// Whether the counts agree with one another. Only a complete run's must.
    pub adds_up: bool,
    /// What may explain `unexplained`; empty when that is zero or `None`.
    pub causes: Vec<Cause>,
}

impl Accounting {
    /// The accounting of `run`, complete or not.
    #[must_use]
    pub fn new(run: &Run) -> Self {
        let counts = &run.totals.counts;
        let unexplained = unexplained(run.kernel.map(|kernel| kernel.counts), counts);
        Self {
            started: counts.started,
            ended: ended(counts),
            failed: counts.failed,
            open: counts.started.saturating_sub(closed(counts)),
            recorded: counts.recorded,
            dropped: counts.dropped,
            filtered: counts.filtered,
            left_out: left_out(run),
            kernel: run.kernel,
            gup: counts.gup,
            gup_by: GupBy::of(counts),
            unexplained,
            adds_up: adds_up(run),
            causes: causes(run, unexplained.unwrap_or(0)),
        }
    }
}

/// Faults that `handle_mm_fault` completed.
#[must_use]
pub const fn ended(counts: &Counts) -> u64 {
    counts.minor.saturating_add(counts.major)
}

const fn closed(counts: &Counts) -> u64 {
    ended(counts).saturating_add(counts.failed)
}

/// What the kernel counted beyond the ended faults and those without an exception; negative if it
/// counted fewer. `None` without a reading.
#[must_use]
pub fn unexplained(kernel: Option<KernelCounts>, counts: &Counts) -> Option<i64> {
    let kernel = kernel?;
    let counted = i128::from(kernel.minor) + i128::from(kernel.major);
    let seen = i128::from(ended(counts)) + i128::from(counts.gup);
    Some(i64::try_from(counted - seen).unwrap_or(if counted > seen { i64::MAX } else { i64::MIN }))
}

/// Faults that the filters leave out. Older recordings do not tell them from thinned ones.
fn left_out(run: &Run) -> u64 {
    let counts = &run.totals.counts;
    if counts.left_out > 0 || run.options.filters.is_empty() {
        return counts.left_out;
    }
    closed(counts).saturating_sub(classified(run))
}

/// Whether it is known of each process and thread which of its faults passed the filters.
#[must_use]
pub fn knows_passed(run: &Run) -> bool {
    run.totals.counts.left_out > 0 || left_out(run) == 0
}

/// Whether it is known of each process and thread how long its faults were not the CPU's.
#[must_use]
pub fn knows_off_cpu(run: &Run) -> bool {
    let hooks = run.hooks;
    let classes = run.totals.classes.iter();
    let off_cpu_ns = super::totals::saturating_sum(classes.flat_map(|class| class.phases_ns));
    // Older recordings have phases by class only.
    hooks.has(Hook::SchedSwitch) && (run.totals.counts.off_cpu_ns > 0 || off_cpu_ns == 0)
}

fn classified(run: &Run) -> u64 {
    super::totals::saturating_sum(run.totals.classes.iter().map(ClassTotals::count))
}

fn adds_up(run: &Run) -> bool {
    let counts = &run.totals.counts;
    let emitted = counts
        .recorded
        .saturating_add(counts.dropped)
        .saturating_add(counts.filtered);
    let classified = classified(run);
    // Faults that the run's filters leave out are closed, but have no class.
    let left_out = closed(counts).saturating_sub(classified);
    // Of dropped ones it is not known which class they would have had.
    let may_leave_out = !run.options.filters.is_empty();
    closed(counts) <= counts.started
        && classified <= closed(counts)
        && left_out
            <= if may_leave_out {
                counts.filtered + counts.dropped
            } else {
                0
            }
        && (!run.options.records_faults || emitted == closed(counts))
}

/// Something that was lost or went wrong, and how often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loss {
    /// The key in JSON.
    pub name: &'static str,
    pub count: u64,
    pub meaning: &'static str,
}

/// Everything of a run that was counted as lost; only what is not zero.
#[must_use]
pub fn losses(run: &Run) -> Vec<Loss> {
    let loss = |name, count, meaning| Loss {
        name,
        count,
        meaning,
    };
    let spaces = &run.spaces;
    let beside = [
        loss(
            "undecodable",
            run.undecodable,
            "records lost: they could not be decoded",
        ),
        loss(
            "mapping_unknown",
            spaces.unknown,
            "faults whose mapping is not known: their class is not refined",
        ),
        loss(
            "mapping_uncertain",
            spaces.uncertain,
            "faults whose mapping may have changed unseen: their class is refined as inferred",
        ),
        loss(
            "mapping_records_lost",
            spaces.lost,
            "mapping records lost: perf's ring was full. Give it more room with --buffer",
        ),
        loss(
            "mapping_inversions",
            spaces.inversions,
            "mapping records that came too late to be used",
        ),
        loss(
            "mapping_history_dropped",
            spaces.dropped.changes + spaces.dropped.pieces,
            "mapping changes forgotten: too many in a process",
        ),
        loss(
            "mappings_unnamed",
            run.unnamed.mappings,
            "faults shown without their mapping: more than 1,048,576 in the run",
        ),
        loss(
            "locations_unnamed",
            run.unnamed.locations,
            "places in code shown without a name: more than 1,048,576 in the run",
        ),
        loss(
            "stacks_unnamed",
            run.unnamed.stacks,
            "faults shown without their stack: more than 262,144 different ones in the run",
        ),
        loss(
            "stacks_lost",
            run.unnamed.lost_stacks,
            "faults shown without their stack: it never arrived, or was not unwound in time",
        ),
        loss(
            "files_unread",
            run.unread.files,
            "files whose names are missing: reading them failed, or took too much time or memory",
        ),
        loss(
            "places_unread",
            run.unread.places,
            "places in code shown without a name: their file could not be read",
        ),
    ];
    Counter::ALL
        .into_iter()
        // What the tracer caused itself is not missing from anything.
        .filter(|counter| *counter != Counter::OwnProbe)
        .map(|counter| Loss {
            name: counter.name(),
            count: run.totals.counters.get(counter),
            meaning: counter.meaning(),
        })
        .chain(beside)
        .filter(|loss| loss.count > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{database, troubled};

    fn with_kernel_minor(change: i64) -> Run {
        let mut run = database();
        let kernel = run.kernel.as_mut().expect("the sample has a reading");
        kernel.counts.minor = kernel.counts.minor.saturating_add_signed(change);
        run
    }

    #[test]
    fn a_good_run_adds_up_and_leaves_nothing_unexplained() {
        let accounting = Accounting::new(&database());
        assert!(accounting.adds_up);
        assert_eq!(accounting.unexplained, Some(0));
        assert_eq!(accounting.causes, []);
        assert_eq!(losses(&database()), []);
    }

    #[test]
    fn started_is_ended_and_failed_and_open() {
        let accounting = Accounting::new(&troubled());
        assert_eq!(accounting.open, 3);
        assert_eq!(
            accounting.started,
            accounting.ended + accounting.failed + accounting.open
        );
    }

    #[test]
    fn a_difference_comes_with_its_counted_causes() {
        let accounting = Accounting::new(&troubled());
        assert_eq!(accounting.unexplained, Some(37));
        assert_eq!(accounting.causes[0].faults(), Some(5));
        assert_eq!(accounting.causes.len(), 1);
        let mut older = troubled();
        older.knows_gup = false;
        let causes = Accounting::new(&older).causes;
        assert!(causes.contains(&Cause::GupWithoutAllocation));
    }

    #[test]
    fn a_difference_without_a_cause_is_shown_as_a_bug() {
        let mut run = with_kernel_minor(-9);
        run.totals.counts.gup = 0;
        run.totals.processes.truncate(1);
        let accounting = Accounting::new(&run);
        assert_eq!(accounting.unexplained, Some(-7));
        assert_eq!(accounting.causes, [Cause::Bug]);
    }

    #[test]
    fn cpus_that_came_online_are_a_cause() {
        let mut run = with_kernel_minor(40);
        run.knows_gup = false;
        assert!(!Accounting::new(&run).causes.contains(&Cause::CpusJoined));
        run.cpus_joined = 1;
        assert!(Accounting::new(&run).causes.contains(&Cause::CpusJoined));
    }

    #[test]
    fn without_a_reading_nothing_is_claimed() {
        let mut run = database();
        run.kernel = None;
        let accounting = Accounting::new(&run);
        assert_eq!((accounting.unexplained, accounting.causes), (None, vec![]));
    }

    #[test]
    fn lost_events_and_lost_classes_do_not_add_up() {
        let mut run = database();
        run.totals.counts.recorded -= 1;
        assert!(!Accounting::new(&run).adds_up);
        run.options.records_faults = false;
        assert!(Accounting::new(&run).adds_up);
        run.totals.classes.pop();
        assert!(!Accounting::new(&run).adds_up);
    }

    #[test]
    fn every_nonzero_counter_is_a_loss() {
        let names: Vec<_> = losses(&troubled()).iter().map(|loss| loss.name).collect();
        assert_eq!(
            names,
            [
                "processes_full",
                "end_unmatched",
                "task_records_dropped",
                "undecodable"
            ]
        );
    }
}
