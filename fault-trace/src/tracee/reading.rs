//! The kernel's own counters of what is traced, and what follows from them: the faults without an exception that
//! living threads took since their last START.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use anyhow::Context as _;

use super::{Kind, Tracee};
use crate::{
    capture::{Capture, LiveThread, Snapshot},
    model::{
        Counts,
        run::{KernelReading, KernelSource},
        totals::{KernelCounts, ProcessTotals},
    },
};

/// Bound: threads whose counters are noted when tracing starts, as many as the programs know.
const BEFORE_MAX: usize = 1 << 15;
/// Pauses between attempts at reading all threads while one of them exits; each is twice the one before,
/// together a quarter of a second.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(128);

/// The kernel's own counters at one moment.
pub(crate) struct Reading {
    /// By how much they grew in the run, by process; `None` where a thread could not be read.
    processes: BTreeMap<u32, Option<KernelCounts>>,
    /// Processes with a thread that lives.
    living: BTreeSet<u32>,
    vmstat: Option<KernelCounts>,
}

impl Reading {
    /// Whether every thread was read.
    fn is_whole(&self) -> bool {
        self.processes.values().all(Option::is_some)
    }

    fn of(&self, pid: u32) -> Option<KernelCounts> {
        let counts = self.processes.get(&pid).copied();
        counts.unwrap_or(Some(KernelCounts::NONE))
    }
}

/// What is read first, the machine's counters or those of threads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    MachineFirst,
    ThreadsFirst,
}

impl Tracee {
    /// Notes the counters of all threads that are targets already: where the account of each begins, unless its
    /// first START comes earlier.
    pub(super) fn note_before(&mut self, capture: &mut Capture) {
        if matches!(self.kind, Kind::Matching { .. }) {
            return;
        }
        let threads = self.proc.snapshot(&self.traced(capture));
        let before = threads
            .into_iter()
            .filter(|((_, tid), _)| self.is_traced(*tid))
            .map(|((_, tid), thread)| (tid, thread.counts))
            .take(BEFORE_MAX);
        self.before = before.collect();
        for (&tid, &counts) in &self.before {
            capture.note_before(tid, counts);
        }
    }

    /// The processes whose threads may be targets.
    fn traced(&self, capture: &Capture) -> Vec<u32> {
        let pids = self.pids(capture);
        pids.unwrap_or_else(|| self.proc.processes().unwrap_or_default())
    }

    /// Whether a thread of such a process is a target.
    fn is_traced(&self, tid: u32) -> bool {
        match &self.kind {
            Kind::Threads(tids) => tids.contains(&tid),
            _ => true,
        }
    }

    /// Reads the kernel's own counters while tracing goes on: a thread that exits between the two look-ups is
    /// found with its process the next time.
    pub(crate) fn reading_live(&self, capture: &Capture) -> anyhow::Result<Reading> {
        let mut pause = FIRST_PAUSE;
        loop {
            let snapshot = capture.totals()?;
            let reading = self.read(capture, &snapshot, Order::MachineFirst);
            if reading.is_whole() || pause > LAST_PAUSE {
                return Ok(reading);
            }
            // It has left /proc, and is to be switched away from once more before it counts as exited;
            // a virtual CPU may be away for long in between.
            thread::sleep(pause);
            pause *= 2;
        }
    }

    /// Reads the kernel's own counters once: when tracing has stopped, a thread that is gone stays unread.
    pub(crate) fn reading(&self, capture: &Capture, snapshot: &Snapshot) -> Reading {
        self.read(capture, snapshot, Order::ThreadsFirst)
    }

    fn read(&self, capture: &Capture, snapshot: &Snapshot, order: Order) -> Reading {
        let machine = || match self.kind {
            Kind::All => self.proc.vmstat().ok(),
            _ => None,
        };
        let first = (order == Order::MachineFirst).then(machine).flatten();
        let mut processes = match self.kind {
            // Told by the programs alone, while they are targets.
            Kind::Matching { .. } => BTreeMap::new(),
            _ => self.growth(capture, &snapshot.live_threads),
        };
        let living = processes.keys().copied().collect();
        for process in &snapshot.totals.processes {
            let alive = processes
                .entry(process.pid)
                .or_insert(Some(KernelCounts::NONE));
            *alive = alive.map(|alive| alive.plus(counted(process)));
        }
        Reading {
            processes,
            living,
            vmstat: first.or_else(machine),
        }
    }

    /// By how much the kernel's own counters of each process's live threads grew; `None` where a thread has
    /// exited meanwhile.
    fn growth(
        &self,
        capture: &Capture,
        threads: &[LiveThread],
    ) -> BTreeMap<u32, Option<KernelCounts>> {
        let mut growth = BTreeMap::new();
        let mut pids = self.traced(capture);
        pids.extend(threads.iter().map(|thread| thread.pid));
        pids.sort_unstable();
        pids.dedup();
        let mut now = self.proc.snapshot(&pids);
        for thread in threads {
            let entry = growth.entry(thread.pid).or_insert(Some(KernelCounts::NONE));
            let read = now.remove(&(thread.pid, thread.tid));
            *entry = entry
                .zip(read)
                .map(|(sum, now)| sum.plus(now.counts.minus(thread.first_seen)));
        }
        // The others have taken no exception. What exits is with its process already, or soon.
        let others = now
            .into_iter()
            .filter(|((_, tid), thread)| !thread.is_exiting && self.is_traced(*tid));
        for ((pid, tid), thread) in others {
            let before = match self.before.get(&tid) {
                Some(before) => *before,
                // It began in the run, and its counters at 0.
                None if self.before.len() < BEFORE_MAX => KernelCounts::NONE,
                None => continue,
            };
            let grown = thread.counts.minus(before);
            if grown != KernelCounts::NONE {
                let entry = growth.entry(pid).or_insert(Some(KernelCounts::NONE));
                *entry = entry.map(|sum| sum.plus(grown));
            }
        }
        growth
    }

    /// Fills in the kernel's own counts of each process, and the faults without an exception that they tell of
    /// living threads, and returns the counts of the whole run.
    /// Tracing stopped between the two readings; `knows_exited`: whether the counters of exited
    /// threads were read; `living`: the traced descendants that live.
    pub(crate) fn read_kernel(
        &mut self,
        snapshot: &mut Snapshot,
        before: &Reading,
        after: &Reading,
        knows_exited: bool,
        living: usize,
    ) -> anyhow::Result<Option<KernelReading>> {
        let totals = &mut snapshot.totals;
        self.add_silent(&mut totals.processes, before);
        for process in &mut totals.processes {
            // Process 0 stands for threads that could not be told apart.
            if !knows_exited || process.pid == 0 {
                process.kernel = None;
                continue;
            }
            process.kernel = match self.kind {
                Kind::Matching { .. } => Some(seen(&process.counts)),
                _ => before.of(process.pid).map(|first| {
                    // Gone since tracing stopped: no more is known than what it had before.
                    let last = after.of(process.pid).unwrap_or(KernelCounts::MAX);
                    within(first, last, &process.counts)
                }),
            };
            if let Some(kernel) = process.kernel
                && before.living.contains(&process.pid)
            {
                let gup = take_rest(&mut process.counts, kernel);
                totals.counts.gup += gup.minor + gup.major;
                totals.counts.gup_major += gup.major;
            }
        }
        Ok(match &mut self.kind {
            Kind::All => self.machine(before, after, &snapshot.totals.counts),
            Kind::Launched(children) => {
                let state = children.reap_all().context("cannot wait for the command")?;
                if state.has_children || living > 0 {
                    // What the command left behind still runs: wait4 knows nothing of it yet.
                    sum(snapshot)
                } else {
                    Some(children.kernel())
                }
            }
            Kind::Blocked(_) | Kind::Processes(_) | Kind::Threads(_) | Kind::Matching { .. } => {
                sum(snapshot)
            }
        })
    }

    /// Adds the processes that took faults without an exception only.
    fn add_silent(&self, processes: &mut Vec<ProcessTotals>, reading: &Reading) {
        for (&pid, grown) in &reading.processes {
            if grown.is_none_or(|grown| grown == KernelCounts::NONE)
                || processes.iter().any(|process| process.pid == pid)
            {
                continue;
            }
            processes.push(ProcessTotals {
                pid,
                comm: self.proc.comm(pid).unwrap_or_default(),
                counts: Counts::default(),
                kernel: None,
                cpu_ns: None,
            });
        }
        processes.sort_by_key(|process| process.pid);
    }

    /// The machine's counts: tracing started between two readings and stopped between two others.
    fn machine(&self, before: &Reading, after: &Reading, counts: &Counts) -> Option<KernelReading> {
        let (started, start_done) = self.vmstat?;
        let least = before.vmstat?.minus(start_done);
        let most = after.vmstat?.minus(started);
        Some(reading(KernelSource::Vmstat, within(least, most, counts)))
    }
}

/// By how much the kernel's own counters grew as far as the eBPF programs have read them.
const fn counted(process: &ProcessTotals) -> KernelCounts {
    KernelCounts {
        minor: process.counts.kernel_minor,
        major: process.counts.kernel_major,
    }
}

/// The completed faults that are accounted for.
const fn seen(counts: &Counts) -> KernelCounts {
    let gup_minor = counts.gup.saturating_sub(counts.gup_major);
    KernelCounts {
        minor: counts.minor.saturating_add(gup_minor),
        major: counts.major.saturating_add(counts.gup_major),
    }
}

/// The kernel's count when tracing stopped, which lies between two readings: the one of them, or in
/// between, that is nearest to what was seen.
fn within(first: KernelCounts, last: KernelCounts, counts: &Counts) -> KernelCounts {
    let near = |seen: u64, first: u64, last: u64| seen.clamp(first, last.max(first));
    let seen = seen(counts);
    KernelCounts {
        minor: near(seen.minor, first.minor, last.minor),
        major: near(seen.major, first.major, last.major),
    }
}

/// Enters what the kernel counted of a process with living threads beyond what was seen, and returns it: those
/// took it since their last START, without an exception.
fn take_rest(counts: &mut Counts, kernel: KernelCounts) -> KernelCounts {
    let rest = kernel.minus(seen(counts));
    counts.gup += rest.minor + rest.major;
    counts.gup_major += rest.major;
    rest
}

/// The sum over all processes, if all are known.
fn sum(snapshot: &Snapshot) -> Option<KernelReading> {
    let processes = &snapshot.totals.processes;
    let counts = processes
        .iter()
        .try_fold(KernelCounts::NONE, |sum, process| {
            Some(sum.plus(process.kernel?))
        })?;
    Some(reading(KernelSource::Proc, counts))
}

const fn reading(source: KernelSource, counts: KernelCounts) -> KernelReading {
    KernelReading { counts, source }
}
