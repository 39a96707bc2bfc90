//! Several runs as one: what can be added up is, what cannot is said.

use std::collections::BTreeMap;

use super::{
    run::{Host, KernelReading, KernelSource, Run},
    totals::{ClassTotals, ProcessTotals, Totals, add_counts},
};

/// Why runs cannot be merged.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MergeError {
    #[error("there is nothing to add up; name a recording")]
    Nothing,
    #[error(
        "{one} has pages of {one_bytes} bytes and {other} of {other_bytes}: their numbers of pages \
         cannot be added up; report on each alone"
    )]
    PageSizes {
        one: String,
        one_bytes: u64,
        other: String,
        other_bytes: u64,
    },
}

/// The runs as one, each with its name: counts, histograms and times are sums, the duration, too, and
/// `started_ns` is 0. Its notes say which runs it has and in what they differ.
///
/// # Errors
/// No run, or numbers that mean different things.
pub fn merge(runs: Vec<(String, Run)>) -> Result<Run, MergeError> {
    let mut runs = runs.into_iter();
    let (first_name, first) = runs.next().ok_or(MergeError::Nothing)?;
    let mut names = vec![first_name];
    let mut differences = Differences::new(&first);
    let mut sum = Run {
        stopped_ns: first.stopped_ns.saturating_sub(first.started_ns),
        started_ns: 0,
        ..first
    };
    sum.clock.unix_ns = sum.clock.unix_ns_at(first.started_ns);
    sum.clock.monotonic_ns = 0;
    if !runs.as_slice().is_empty() {
        // Each holds for its own run.
        sum.calibration = None;
    }
    for (name, run) in runs {
        let (one, other) = (&sum.host, &run.host);
        if one.page_size_bytes != other.page_size_bytes {
            return Err(MergeError::PageSizes {
                one: names.swap_remove(0),
                one_bytes: one.page_size_bytes,
                other: name,
                other_bytes: other.page_size_bytes,
            });
        }
        differences.look(&sum, &run);
        names.push(name);
        add(&mut sum, run);
    }
    if names.len() > 1 {
        let mut notes = vec![format!(
            "{} recordings added up, including their durations: {}",
            names.len(),
            names.join(", ")
        )];
        notes.extend(differences.notes(&sum));
        sum.notes.splice(0..0, notes);
    }
    Ok(sum)
}

/// In what the runs differ, although they were added up.
struct Differences {
    kernels: Vec<String>,
    options: bool,
    hooks: bool,
    sources: bool,
    commands: bool,
}

impl Differences {
    fn new(first: &Run) -> Self {
        Self {
            kernels: vec![kernel(&first.host)],
            options: false,
            hooks: false,
            sources: false,
            commands: false,
        }
    }

    fn look(&mut self, sum: &Run, run: &Run) {
        let kernel = kernel(&run.host);
        if !self.kernels.contains(&kernel) {
            self.kernels.push(kernel);
        }
        let sources = sum.kernel.zip(run.kernel);
        self.options |= sum.options != run.options;
        self.hooks |= sum.hooks != run.hooks;
        self.sources |= sources.is_some_and(|(one, other)| one.source != other.source);
        self.commands |= (&sum.command, &sum.target) != (&run.command, &run.target);
    }

    fn notes(&self, sum: &Run) -> Vec<String> {
        let different = |is_so: bool, note: &str| is_so.then(|| note.to_owned());
        let kernels = format!(
            "they are of different machines or kernels: {}",
            self.kernels.join("; ")
        );
        [
            (self.kernels.len() > 1).then_some(kernels),
            different(self.commands, "they traced different commands or targets"),
            different(
                self.options,
                "they were made with different options: recorded faults stand for different numbers",
            ),
            different(
                self.hooks,
                "they had different hooks: their classes rest on different evidence",
            ),
            different(
                self.sources,
                "the kernel's own counts come from different places",
            ),
            different(
                sum.kernel.is_none(),
                "the kernel's own counts are not known of all of them",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn kernel(host: &Host) -> String {
    format!("{} ({})", host.name, host.kernel_release)
}

/// What stands for differing texts.
fn common(one: &mut String, other: &str) {
    if one != other {
        *one = "several".to_owned();
    }
}

fn add(sum: &mut Run, run: Run) {
    let is_same_host = sum.host == run.host;
    common(&mut sum.host.name, &run.host.name);
    common(&mut sum.host.kernel_release, &run.host.kernel_release);
    common(&mut sum.host.machine, &run.host.machine);
    common(&mut sum.tool_version, &run.tool_version);
    sum.host.cpus_online = sum.host.cpus_online.max(run.host.cpus_online);
    if sum.command != run.command || sum.target != run.target {
        sum.command.clear();
        sum.target = "several targets".to_owned();
    }
    sum.options.sample = sum.options.sample.max(run.options.sample);
    sum.options.min_latency_ns = sum.options.min_latency_ns.max(run.options.min_latency_ns);
    sum.options.records_faults &= run.options.records_faults;
    for filter in run.options.filters {
        if !sum.options.filters.contains(&filter) {
            sum.options.filters.push(filter);
        }
    }
    sum.hooks = sum.hooks.and(run.hooks);
    let duration_ns = run.stopped_ns.saturating_sub(run.started_ns);
    sum.stopped_ns = sum.stopped_ns.saturating_add(duration_ns);
    let started_unix_ns = run.clock.unix_ns_at(run.started_ns);
    sum.clock.unix_ns = sum.clock.unix_ns.min(started_unix_ns);
    sum.complete &= run.complete;
    sum.kernel = sum.kernel.zip(run.kernel).map(kernel_sum);
    sum.cpu_ns = sum
        .cpu_ns
        .zip(run.cpu_ns)
        .map(|(one, other): (u64, u64)| one.saturating_add(other));
    // The first that failed.
    sum.exit_status = sum
        .exit_status
        .zip(run.exit_status)
        .map(|(one, other)| if one == 0 { other } else { one });
    sum.undecodable = sum.undecodable.saturating_add(run.undecodable);
    sum.spaces.add(run.spaces);
    sum.unnamed.add(run.unnamed);
    sum.unread.add(run.unread);
    sum.cpus_joined = sum.cpus_joined.saturating_add(run.cpus_joined);
    sum.knows_gup &= run.knows_gup;
    for note in run.notes {
        if !sum.notes.contains(&note) {
            sum.notes.push(note);
        }
    }
    add_totals(&mut sum.totals, run.totals, is_same_host);
}

fn kernel_sum((one, other): (KernelReading, KernelReading)) -> KernelReading {
    KernelReading {
        counts: one.counts.plus(other.counts),
        source: if one.source == other.source {
            one.source
        } else {
            KernelSource::Proc
        },
    }
}

fn add_totals(sum: &mut Totals, totals: Totals, is_same_host: bool) {
    add_counts(&mut sum.counts, &totals.counts);
    for class in totals.classes {
        match sum
            .classes
            .iter_mut()
            .find(|known| known.class == class.class)
        {
            Some(known) => known.add(&class),
            None => sum.classes.push(class),
        }
    }
    sum.classes.sort_by_key(|totals: &ClassTotals| totals.class);
    for (counter, more) in sum.counters.0.iter_mut().zip(totals.counters.0) {
        *counter = counter.saturating_add(more);
    }
    if is_same_host {
        merge_processes(&mut sum.processes, totals.processes);
    } else {
        sum.processes.extend(totals.processes);
        sum.processes.sort_by_key(|process| process.pid);
    }
    // Of different moments: they are in the recordings.
    sum.threads.clear();
}

/// A process that has the same id and name on the same machine is the same one.
fn merge_processes(sum: &mut Vec<ProcessTotals>, more: Vec<ProcessTotals>) {
    let mut processes: BTreeMap<(u32, Vec<u8>), ProcessTotals> = BTreeMap::new();
    for process in std::mem::take(sum).into_iter().chain(more) {
        let key = (process.pid, process.comm.clone());
        match processes.get_mut(&key) {
            None => _ = processes.insert(key, process),
            Some(known) => {
                add_counts(&mut known.counts, &process.counts);
                let kernel = known.kernel.zip(process.kernel);
                known.kernel = kernel.map(|(one, other)| one.plus(other));
                let cpu_ns = known.cpu_ns.zip(process.cpu_ns);
                known.cpu_ns = cpu_ns.map(|(one, other): (u64, u64)| one.saturating_add(other));
            }
        }
    }
    sum.extend(processes.into_values());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sample::{database, troubled},
        totals::ThreadTotals,
    };
    use fault_trace_common::Hooks;

    fn merged(runs: &[Run]) -> Run {
        let named = (1..)
            .zip(runs)
            .map(|(n, run)| (format!("{n}.ftrace"), run.clone()));
        merge(named.collect()).expect("they are of one machine")
    }

    #[test]
    fn order_does_not_matter() {
        let (ab, ba) = (
            merged(&[database(), troubled()]),
            merged(&[troubled(), database()]),
        );
        assert_eq!(ab.totals, ba.totals);
        assert_eq!(
            (ab.kernel, ab.cpu_ns, ab.exit_status),
            (ba.kernel, ba.cpu_ns, ba.exit_status)
        );
    }

    #[test]
    fn what_cannot_be_added_up_is_said() {
        let mut other = database();
        other.host.kernel_release = "5.15.0".to_owned();
        other.options.sample = 10;
        other.command.clear();
        other.kernel = None;
        other.hooks = Hooks::NONE;
        let sum = merged(&[database(), other]);
        assert_eq!((sum.kernel, sum.hooks), (None, Hooks::NONE));
        assert_eq!(sum.totals.processes.len(), 6, "pids of two machines");
        let notes = sum.notes.join("\n");
        for part in ["5.15.0", "commands", "options", "hooks", "not known of all"] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
    }

    #[test]
    fn pages_of_different_sizes_are_not_added_up() {
        let mut other = database();
        other.host.page_size_bytes = 65536;
        let error = merge(vec![("a".to_owned(), database()), ("b".to_owned(), other)]);
        assert!(matches!(error, Err(MergeError::PageSizes { .. })));
        assert_eq!(merge(Vec::new()), Err(MergeError::Nothing));
    }

    #[test]
    fn threads_alive_at_different_moments_are_left_to_their_recordings() {
        let mut run = database();
        run.totals.threads.push(ThreadTotals {
            pid: 1,
            tid: 1,
            comm: Vec::new(),
            started: 1,
            latency_ns: 1,
            passed: None,
            cpu_ns: None,
        });
        assert!(merged(&[run, database()]).totals.threads.is_empty());
    }
}
