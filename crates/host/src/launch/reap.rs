//! The launched command and its descendants until they are gone.

use std::{collections::HashMap, io};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::cpu_time;
use fault_trace_model::{
    run::{KernelReading, KernelSource},
    totals::KernelCounts,
};

/// Bound: processes whose own CPU time is remembered, 1 MB; of later ones it is unknown.
const CPU_TIMES_MAX: usize = 1 << 16;

/// The command and whatever it leaves behind, which this process inherits.
#[derive(Debug)]
pub struct Children {
    pid: Pid,
    baseline: Baseline,
    exit_status: Option<i32>,
    counts: KernelCounts,
    /// Of everything reaped, ns.
    cpu_ns: u64,
    /// Of each reaped process, without its children.
    own_cpu_ns: HashMap<u32, u64>,
}

/// What the child had used before its release, which is none of the command's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Baseline {
    pub counts: KernelCounts,
    /// User and system time.
    pub cpu_ns: u64,
}

/// A child that has exited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exited {
    pub pid: u32,
    /// As a shell gives it: 128 + signal for one that was killed.
    pub status: i32,
    /// Its faults, and those of its descendants that it has waited for itself.
    pub counts: KernelCounts,
    /// User and system time, likewise.
    pub cpu_ns: u64,
    /// Its own alone; `None` if the kernel did not tell.
    pub own_cpu_ns: Option<u64>,
}

/// The outcome of [`Children::reap_all`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReapState {
    pub exited: Vec<Exited>,
    /// Whether any child is still alive.
    pub has_children: bool,
}

impl Children {
    pub(super) fn new(pid: Pid, baseline: Baseline) -> Self {
        Self {
            pid,
            baseline,
            exit_status: None,
            counts: KernelCounts::default(),
            cpu_ns: 0,
            own_cpu_ns: HashMap::new(),
        }
    }

    /// The command's process.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// The command's exit status as a shell gives it (128 + signal); `None` while it runs.
    #[must_use]
    pub const fn exit_status(&self) -> Option<i32> {
        self.exit_status
    }

    /// The kernel's count of the faults of everything reaped so far, without those that the child
    /// took before its release. Each descendant counts once: with the process that waited for it, or
    /// by itself if orphaned. One whose parent ignores SIGCHLD is missing: the kernel drops it.
    #[must_use]
    pub const fn kernel(&self) -> KernelReading {
        KernelReading {
            counts: self.counts.minus(self.baseline.counts),
            source: KernelSource::Rusage,
        }
    }

    /// User and system time of everything reaped so far, ns, counted as in [`Children::kernel`].
    #[must_use]
    pub const fn cpu_ns(&self) -> u64 {
        self.cpu_ns.saturating_sub(self.baseline.cpu_ns)
    }

    /// User and system time of a reaped process alone, ns; `None` if another one waited for it.
    #[must_use]
    pub fn own_cpu_ns(&self, pid: u32) -> Option<u64> {
        let baseline_ns = if pid == self.pid() {
            self.baseline.cpu_ns
        } else {
            0
        };
        let cpu_ns = self.own_cpu_ns.get(&pid)?;
        Some(cpu_ns.saturating_sub(baseline_ns))
    }

    /// Collects every child that has exited, without blocking. To be called at every SIGCHLD, and
    /// once after listening for it has begun.
    ///
    /// It waits for all children of this process: no other part of it may start any.
    ///
    /// # Errors
    /// If waiting fails for another reason than that no child is left.
    pub fn reap_all(&mut self) -> io::Result<ReapState> {
        let mut state = ReapState {
            exited: Vec::new(),
            has_children: true,
        };
        loop {
            match wait_for_any() {
                Ok(Some(exited)) => {
                    self.add(exited);
                    state.exited.push(exited);
                }
                Ok(None) => return Ok(state),
                Err(Errno::ECHILD) => {
                    state.has_children = false;
                    return Ok(state);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn add(&mut self, exited: Exited) {
        self.counts = self.counts.plus(exited.counts);
        self.cpu_ns = self.cpu_ns.saturating_add(exited.cpu_ns);
        if let Some(cpu_ns) = exited.own_cpu_ns
            && self.own_cpu_ns.len() < CPU_TIMES_MAX
        {
            // A process id may come again.
            *self.own_cpu_ns.entry(exited.pid).or_default() += cpu_ns;
        }
        if exited.pid == self.pid() && self.exit_status.is_none() {
            self.exit_status = Some(exited.status);
        }
    }

    /// Whether any child is still alive or not waited for.
    #[must_use]
    pub fn has_any(&self) -> bool {
        any_zombie() != Err(Errno::ECHILD)
    }

    /// Sends the command a signal; nothing happens if it has exited. For signals that the terminal
    /// does not send to the whole group, such as SIGTERM.
    ///
    /// # Errors
    /// If the signal may not be sent.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match self.exit_status {
            // Its pid may belong to another process by now.
            Some(_) => Ok(()),
            None => Ok(kill(self.pid, signal)?),
        }
    }
}

/// A child that has exited; `None` if all are alive.
fn wait_for_any() -> Result<Option<Exited>, Errno> {
    let Some(pid) = any_zombie()? else {
        return Ok(None);
    };
    // Its clock goes with it.
    let own_cpu_ns = cpu_time::of_process(pid.cast_unsigned());
    let mut status = 0;
    // SAFETY: `rusage` is plain data; `wait4` fills in both for a child that has exited.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let pid = libc::wait4(pid, &raw mut status, 0, &raw mut usage);
        (Errno::result(pid)?, usage)
    };
    let count = |faults: i64| u64::try_from(faults).unwrap_or(0);
    let ns = |time: libc::timeval| count(time.tv_sec) * 1_000_000_000 + count(time.tv_usec) * 1000;
    Ok(Some(Exited {
        pid: pid.cast_unsigned(),
        status: shell_status(status),
        // RUSAGE_BOTH (`wait_task_zombie`, kernel/exit.c): its own and its waited-for children's.
        counts: KernelCounts {
            minor: count(usage.ru_minflt),
            major: count(usage.ru_majflt),
        },
        cpu_ns: ns(usage.ru_utime).saturating_add(ns(usage.ru_stime)),
        own_cpu_ns,
    }))
}

/// A child that has exited and was not waited for yet; `None` if all are alive.
fn any_zombie() -> Result<Option<libc::pid_t>, Errno> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `siginfo_t` is plain data; `waitid` fills it in, with pid 0 if no child has exited.
    let pid = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        Errno::result(libc::waitid(libc::P_ALL, 0, &raw mut info, options))?;
        info.si_pid()
    };
    Ok((pid != 0).then_some(pid))
}

const fn shell_status(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_what_a_shell_gives() {
        // As wait encodes it: the code in the second byte, the signal in the first.
        assert_eq!(shell_status(0), 0);
        assert_eq!(shell_status(3 << 8), 3);
        assert_eq!(shell_status(libc::SIGKILL), 137);
        assert_eq!(shell_status(libc::SIGSEGV | 0x80), 139, "with a core dump");
        assert_eq!(shell_status(34), 162, "a real-time signal");
    }
}
