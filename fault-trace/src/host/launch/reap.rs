//! The launched command and its descendants until they are gone.

use std::io;

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    host::faults::{minus, plus},
    model::{
        run::{KernelReading, KernelSource},
        totals::KernelCounts,
    },
};

/// The command and whatever it leaves behind, which this process inherits.
#[derive(Debug)]
pub struct Children {
    pid: Pid,
    baseline: KernelCounts,
    exit_status: Option<i32>,
    counts: KernelCounts,
}

/// A child that has exited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exited {
    pub pid: u32,
    /// As a shell gives it: 128 + signal for one that was killed.
    pub status: i32,
    /// Its faults, and those of its descendants that it has waited for itself.
    pub counts: KernelCounts,
}

/// The outcome of [`Children::reap_all`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReapState {
    pub exited: Vec<Exited>,
    /// Whether any child is still alive.
    pub has_children: bool,
}

impl Children {
    pub(super) const fn new(pid: Pid, baseline: KernelCounts) -> Self {
        Self {
            pid,
            baseline,
            exit_status: None,
            counts: KernelCounts { minor: 0, major: 0 },
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
            counts: minus(self.counts, self.baseline),
            source: KernelSource::Rusage,
        }
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
        self.counts = plus(self.counts, exited.counts);
        if exited.pid == self.pid() && self.exit_status.is_none() {
            self.exit_status = Some(exited.status);
        }
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
    let mut status = 0;
    // SAFETY: `rusage` is plain data; `wait4` fills in both if it finds a child.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let options = libc::WNOHANG;
        let pid = libc::wait4(-1, &raw mut status, options, &raw mut usage);
        (Errno::result(pid)?, usage)
    };
    if pid == 0 {
        return Ok(None);
    }
    let count = |faults: i64| u64::try_from(faults).unwrap_or(0);
    Ok(Some(Exited {
        pid: pid.cast_unsigned(),
        status: shell_status(status),
        // RUSAGE_BOTH (`wait_task_zombie`, kernel/exit.c): its own and its waited-for children's.
        counts: KernelCounts {
            minor: count(usage.ru_minflt),
            major: count(usage.ru_majflt),
        },
    }))
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
