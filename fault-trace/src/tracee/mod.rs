//! Who is traced: launching or finding it, telling when it is gone, and the kernel's own counts.

mod cpu_time;
mod processes;
mod reading;

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;

use self::{cpu_time::CpuTimes, processes::Processes};
use crate::{
    capture::{Capture, Snapshot},
    exit::{NotAllowed, NotLaunched},
    host::{
        kernel,
        launch::{self, Blocked, Children, LaunchError},
        proc::Proc,
        users::Identity,
    },
    loading::refusal,
    model::totals::KernelCounts,
    options::{CaptureOptions, Target},
};

/// The traced command, processes, threads or machine.
pub(crate) struct Tracee {
    kind: Kind,
    proc: Proc,
    /// /proc/vmstat before and after tracing began; only for the machine.
    vmstat: Option<(KernelCounts, KernelCounts)>,
    /// The counters of the targets' threads, by thread id, when tracing had started.
    before: HashMap<u32, KernelCounts>,
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
    pub(crate) fn new(options: &CaptureOptions, capture: &mut Capture) -> anyhow::Result<Self> {
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
            before: HashMap::new(),
            cpu: CpuTimes::default(),
            waits: options.wait || options.duration.is_some(),
        })
    }

    /// The processes that are traced now, maybe with some that have exited; `None`: all.
    pub(crate) fn pids(&self, capture: &Capture) -> Option<Vec<u32>> {
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
    pub(crate) fn left_out(&self) -> Option<String> {
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
    pub(crate) fn start(
        &mut self,
        capture: &mut Capture,
        begin: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.before_start(capture)?;
        begin()?;
        capture
            .start(kernel::monotonic_ns)
            .map_err(refusal::not_allowed)?;
        self.after_start(capture);
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

    fn after_start(&mut self, capture: &mut Capture) {
        self.note_before(capture);
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
    pub(crate) fn is_over(&mut self, capture: &Capture) -> anyhow::Result<bool> {
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
    pub(crate) fn living_descendants(&self, capture: &Capture) -> anyhow::Result<usize> {
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
    pub(crate) fn left_behind(&self, living: usize) -> Option<String> {
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
    pub(crate) fn exit_status(&self) -> Option<i32> {
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
    pub(crate) fn is_command_running(&self) -> bool {
        self.left_running().is_some()
    }

    /// Passes a signal on to the launched command.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Kind::Launched(children) = &self.kind {
            // It may be gone; then there is nobody to tell.
            let _ = children.signal(signal);
        }
    }

    /// Fills in the CPU time of each process and of the live threads, and returns that of all
    /// traced processes; to be called after [`Tracee::read_kernel`].
    pub(crate) fn read_cpu(&mut self, snapshot: &mut Snapshot) -> Option<u64> {
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
