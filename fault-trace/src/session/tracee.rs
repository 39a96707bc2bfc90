//! Who is traced: launching or finding it, telling when it is gone, and the kernel's own counts.

mod processes;

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;

use self::processes::Processes;
use super::{cpu_time::CpuTimes, prepare};
use crate::{
    capture::{Capture, LiveThread, Snapshot},
    exit::{NotAllowed, NotLaunched},
    host::{
        launch::{self, Blocked, Children, LaunchError},
        proc::Proc,
        users::Identity,
    },
    model::{
        Counts,
        run::{KernelReading, KernelSource},
        totals::{KernelCounts, ProcessTotals},
    },
    options::{CaptureOptions, Target},
};

/// The traced command, processes, threads or machine.
pub(super) struct Tracee {
    kind: Kind,
    proc: Proc,
    /// /proc/vmstat before and after tracing began; only for the machine.
    vmstat: Option<(KernelCounts, KernelCounts)>,
    cpu: CpuTimes,
    /// Whether the run goes on while descendants of what was named or launched live.
    waits: bool,
}

enum Kind {
    /// Taken out when it is released.
    Blocked(Option<Blocked>),
    Launched(Children),
    Processes(Processes),
    Threads(Vec<u32>),
    /// Whoever is in the cgroup, of the user, or of the name at the time of a fault.
    Matching {
        /// Whether a process is traced with all its threads, or not at all.
        whole_processes: bool,
    },
    All,
}

impl Tracee {
    /// Launches the command, which waits, or finds the processes, and makes them targets.
    pub(super) fn new(options: &CaptureOptions, capture: &mut Capture) -> anyhow::Result<Self> {
        let proc = Proc::default();
        let kind = match &options.target {
            Target::Launch(command) => {
                let identity = Identity::behind_sudo()?;
                let blocked = launch::launch(command, identity.as_ref()).map_err(not_launched)?;
                capture.add_new_process(blocked.pid())?;
                Kind::Blocked(Some(blocked))
            }
            Target::Processes(pids) => {
                Kind::Processes(Processes::new(&proc, pids, options.children, capture)?)
            }
            Target::Threads(tids) => {
                for &tid in tids {
                    if !proc.has_thread(tid) {
                        bail!("there is no thread {tid}; name a running one, see ps -eL");
                    }
                    if proc
                        .process(tid)
                        .is_ok_and(|thread| thread.is_kernel_thread)
                    {
                        bail!(
                            "thread {tid} is one of the kernel's: it has no memory of its own, and \
                             takes no page faults"
                        );
                    }
                    capture.add_target(tid)?;
                }
                Kind::Threads(tids.clone())
            }
            Target::Cgroup(_) | Target::User(_) => Kind::Matching {
                whole_processes: true,
            },
            Target::Comm(_) => Kind::Matching {
                whole_processes: false,
            },
            Target::All => Kind::All,
        };
        Ok(Self {
            kind,
            proc,
            vmstat: None,
            cpu: CpuTimes::default(),
            waits: options.wait || options.duration.is_some(),
        })
    }

    /// The processes that are traced now, maybe with some that have exited; `None`: all.
    pub(super) fn pids(&self, capture: &Capture) -> Option<Vec<u32>> {
        match &self.kind {
            Kind::Blocked(_) | Kind::Launched(_) | Kind::Processes(_) => {
                // A map that cannot be read ends the run when it is read for the totals.
                Some(capture.targets().unwrap_or_default())
            }
            Kind::Threads(tids) => Some(
                tids.iter()
                    .filter_map(|&tid| self.proc.process_of(tid).ok())
                    .collect(),
            ),
            Kind::Matching { .. } | Kind::All => None,
        }
    }

    /// What is not traced on request, for people.
    pub(super) fn left_out(&self) -> Option<String> {
        let Kind::Processes(processes) = &self.kind else {
            return None;
        };
        match processes.left_out() {
            0 => None,
            1 => Some("1 living child process is not traced, nor is what it forks".to_owned()),
            many => Some(format!(
                "{many} living child processes are not traced, nor is what they fork"
            )),
        }
    }

    /// Starts tracing, and then lets a launched command go. `begin` is called at the last moment before
    /// faults count.
    ///
    /// # Errors
    /// Nothing of what was named lives any more, the kernel refuses, or `begin` does.
    pub(super) fn start(
        &mut self,
        capture: &mut Capture,
        begin: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.before_start(capture)?;
        begin()?;
        capture.start().map_err(prepare::not_allowed)?;
        self.after_start();
        self.release()
    }

    fn before_start(&mut self, capture: &Capture) -> anyhow::Result<()> {
        if let Kind::Processes(processes) = &self.kind
            && !processes.has_named(&self.proc)
        {
            bail!(
                "the processes to trace ended before tracing began; name running ones, see ps -e"
            );
        }
        if matches!(self.kind, Kind::All) {
            self.vmstat = self.proc.vmstat().ok().map(|now| (now, now));
        }
        let pids = self.pids(capture);
        let pids = pids.unwrap_or_else(|| self.proc.processes().unwrap_or_default());
        self.cpu = CpuTimes::now(&self.proc, &pids);
        Ok(())
    }

    fn after_start(&mut self) {
        self.vmstat = self
            .vmstat
            .and_then(|(before, _)| Some((before, self.proc.vmstat().ok()?)));
    }

    fn release(&mut self) -> anyhow::Result<()> {
        if let Kind::Blocked(blocked) = &mut self.kind
            && let Some(blocked) = blocked.take()
        {
            self.kind = Kind::Launched(blocked.release().map_err(not_launched)?);
        }
        Ok(())
    }

    /// Whether there is nothing left to trace.
    pub(super) fn is_over(&mut self, capture: &Capture) -> anyhow::Result<bool> {
        let is_over = match &mut self.kind {
            Kind::Blocked(_) | Kind::Matching { .. } | Kind::All => false,
            Kind::Launched(children) => {
                children.reap_all().context("cannot wait for the command")?;
                children.exit_status().is_some()
            }
            Kind::Processes(processes) => !processes.has_named(&self.proc),
            Kind::Threads(tids) => !tids.iter().any(|&tid| self.proc.has_thread(tid)),
        };
        Ok(is_over && !(self.waits && self.living_descendants(capture)? > 0))
    }

    /// How many descendants of what was launched or named live, and are traced.
    pub(super) fn living_descendants(&self, capture: &Capture) -> anyhow::Result<usize> {
        Ok(match &self.kind {
            Kind::Launched(children) => {
                let command = children.pid();
                let targets = capture.targets()?;
                targets.into_iter().filter(|&pid| pid != command).count()
            }
            Kind::Processes(processes) => {
                processes.living_descendants(&self.proc, &capture.targets()?)
            }
            Kind::Blocked(_) | Kind::Threads(_) | Kind::Matching { .. } | Kind::All => 0,
        })
    }

    /// What goes on untraced at the end of the run, for people.
    pub(super) fn left_behind(&self, living: usize) -> Option<String> {
        if let Some(pid) = self.left_running() {
            return Some(format!("the command (process {pid}) goes on, untraced"));
        }
        let ancestors = match &self.kind {
            Kind::Launched(_) => "the command",
            Kind::Processes(processes) if !processes.has_named(&self.proc) => "the traced ones",
            _ => return None,
        };
        let (processes, run) = match living {
            0 => return None,
            1 => ("1 process".to_owned(), "runs"),
            many => (format!("{many} processes"), "run"),
        };
        Some(if self.waits {
            format!("{processes} started by {ancestors} still {run}, now untraced")
        } else {
            format!(
                "{processes} started by {ancestors} still {run}, untraced since the end of {ancestors}; \
                 trace on with --wait or --duration"
            )
        })
    }

    /// The launched command's exit status, once it has one.
    pub(super) fn exit_status(&self) -> Option<i32> {
        match &self.kind {
            Kind::Launched(children) => children.exit_status(),
            _ => None,
        }
    }

    /// The launched command, if it has not ended.
    fn left_running(&self) -> Option<u32> {
        match &self.kind {
            Kind::Launched(children) if children.exit_status().is_none() => Some(children.pid()),
            _ => None,
        }
    }

    /// Whether a command that was launched by this run has not ended.
    pub(super) fn is_command_running(&self) -> bool {
        self.left_running().is_some()
    }

    /// Passes a signal on to the launched command.
    pub(super) fn signal(&self, signal: Signal) {
        if let Kind::Launched(children) = &self.kind {
            // It may be gone; then there is nobody to tell.
            let _ = children.signal(signal);
        }
    }

    /// Reads the kernel's own counters while tracing goes on: a thread that exits between the two look-ups is
    /// found with its process the next time.
    pub(super) fn reading_live(&self, capture: &Capture) -> anyhow::Result<Reading> {
        let mut pause = FIRST_PAUSE;
        loop {
            let reading = self.reading(&capture.totals()?);
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
    pub(super) fn reading(&self, snapshot: &Snapshot) -> Reading {
        let mut processes = match self.kind {
            // Read in the kernel, while they are targets.
            Kind::Matching { .. } => BTreeMap::new(),
            _ => self.growth(&snapshot.live_threads),
        };
        for process in &snapshot.totals.processes {
            let alive = processes
                .entry(process.pid)
                .or_insert(Some(KernelCounts::NONE));
            *alive = alive.map(|alive| alive.plus(counted(process)));
        }
        Reading {
            processes,
            vmstat: match self.kind {
                Kind::All => self.proc.vmstat().ok(),
                _ => None,
            },
        }
    }

    /// Fills in the kernel's own counts of each process, and returns those of the whole run.
    /// Tracing stopped between the two readings; `knows_exited`: whether the counters of exited
    /// threads were read; `living`: the traced descendants that live.
    pub(super) fn read_kernel(
        &mut self,
        snapshot: &mut Snapshot,
        before: &Reading,
        after: &Reading,
        knows_exited: bool,
        living: usize,
    ) -> anyhow::Result<Option<KernelReading>> {
        for process in &mut snapshot.totals.processes {
            // Process 0 stands for threads that could not be told apart.
            let known = knows_exited && process.pid != 0;
            let at = |reading: &Reading| {
                let counts = reading.processes.get(&process.pid).copied();
                counts.unwrap_or(Some(KernelCounts::NONE))
            };
            let window = match self.kind {
                Kind::Matching { .. } => Some((counted(process), counted(process))),
                // Gone since tracing stopped: no more is known than what it had before.
                _ => at(before).map(|first| (first, at(after).unwrap_or(KernelCounts::MAX))),
            };
            let window = window.filter(|_| known);
            process.kernel = window.map(|(first, last)| within(first, last, &process.counts));
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

    /// Fills in the CPU time of each process and of the live threads, and returns that of all
    /// traced processes; to be called after [`Tracee::read_kernel`].
    pub(super) fn read_cpu(&mut self, snapshot: &mut Snapshot) -> Option<u64> {
        let totals = &mut snapshot.totals;
        totals.threads = self.cpu.threads(&self.proc, &snapshot.live_threads);
        for process in &mut totals.processes {
            process.cpu_ns = match &self.kind {
                _ if process.pid == 0 => None,
                Kind::Matching {
                    whole_processes: false,
                } => None,
                Kind::Threads(tids) => self.cpu.of_threads(&self.proc, process.pid, tids),
                Kind::Launched(children) => children
                    .own_cpu_ns(process.pid)
                    .or_else(|| self.cpu.of_process(process.pid)),
                _ => self.cpu.of_process(process.pid),
            };
        }
        match &mut self.kind {
            Kind::Launched(children) if !children.has_any() => Some(children.cpu_ns()),
            // Whoever of them took no fault has no row.
            Kind::Processes(processes) => {
                let rows = &totals.processes;
                let without = processes
                    .at_first()
                    .filter(|pid| !rows.iter().any(|row| row.pid == *pid));
                let without = without.map(|pid| self.cpu.of_process(pid));
                without.chain(rows.iter().map(|row| row.cpu_ns)).sum()
            }
            _ => totals.processes.iter().map(|row| row.cpu_ns).sum(),
        }
    }

    /// The machine's counts: tracing started between two readings and stopped between two others.
    fn machine(&self, before: &Reading, after: &Reading, counts: &Counts) -> Option<KernelReading> {
        let (started, start_done) = self.vmstat?;
        let least = before.vmstat?.minus(start_done);
        let most = after.vmstat?.minus(started);
        Some(reading(KernelSource::Vmstat, within(least, most, counts)))
    }

    /// By how much the kernel's own counters of each process's live threads grew since their first
    /// fault; `None` where a thread has exited meanwhile.
    fn growth(&self, threads: &[LiveThread]) -> BTreeMap<u32, Option<KernelCounts>> {
        let mut growth = BTreeMap::new();
        let mut pids: Vec<u32> = threads.iter().map(|thread| thread.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        let now = self.proc.snapshot(&pids);
        for thread in threads {
            let entry = growth.entry(thread.pid).or_insert(Some(KernelCounts::NONE));
            let counts = now.get(&(thread.pid, thread.tid));
            *entry = entry
                .zip(counts)
                .map(|(sum, now)| sum.plus(now.minus(thread.first_seen)));
        }
        growth
    }
}

/// By how much the kernel's own counters grew as far as the eBPF programs have read them.
const fn counted(process: &ProcessTotals) -> KernelCounts {
    KernelCounts {
        minor: process.counts.kernel_minor,
        major: process.counts.kernel_major,
    }
}

/// Pauses between attempts at reading all threads while one of them exits; each is twice the one before,
/// together a quarter of a second.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(128);

/// The kernel's own counters at one moment.
pub(super) struct Reading {
    /// Since each thread's first fault, exited or not; `None` where a thread could not be read.
    processes: BTreeMap<u32, Option<KernelCounts>>,
    vmstat: Option<KernelCounts>,
}

impl Reading {
    /// Whether every thread was read.
    fn is_whole(&self) -> bool {
        self.processes.values().all(Option::is_some)
    }
}

/// The kernel's count when tracing stopped, which lies between two readings: the one of them, or in
/// between, that is nearest to what was seen.
fn within(first: KernelCounts, last: KernelCounts, seen: &Counts) -> KernelCounts {
    let near = |seen: u64, first: u64, last: u64| seen.clamp(first, last.max(first));
    let major = near(seen.major, first.major, last.major);
    KernelCounts {
        // Faults without an exception are nearly all minor.
        minor: near(seen.minor + seen.gup, first.minor, last.minor),
        major,
    }
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

fn not_launched(error: LaunchError) -> anyhow::Error {
    if error.is_permission() {
        return NotAllowed(format!(
            "{error}; the command runs as the user behind sudo, which needs CAP_SETUID and CAP_SETGID"
        ))
        .into();
    }
    NotLaunched {
        status: error.exit_status(),
        message: error.to_string(),
    }
    .into()
}
