//! Launching the traced command, so that tracing starts before its first instruction.
//!
//! [`launch`] forks; the child prepares itself and blocks. The caller attaches to [`Blocked::pid`] and
//! lets go with [`Blocked::release`]; only then does the child exec. [`Children`] collects exit
//! statuses and fault counts of the command and of what it leaves behind.
//!
//! The child stays in this process's group, so that Ctrl-C at the terminal reaches both.

mod child;
mod image;
mod reap;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write},
    os::fd::AsRawFd,
};

use nix::{
    fcntl::OFlag,
    sys::{
        prctl,
        signal::{SigSet, SigmaskHow, pthread_sigmask},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork, pipe2},
};

pub use reap::{Baseline, Children, Exited, ReapState};

use super::{cpu_time, limits, proc::Proc, users::Identity};
use child::{Child, Report};
use image::Image;

/// Why a command was not launched.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("no command given; name one after --")]
    NoCommand,
    #[error("cannot run {program:?}: a NUL byte in its name, an argument or the environment")]
    NulByte { program: OsString },
    #[error("cannot start a process for {program:?}: {source}")]
    Fork {
        program: OsString,
        source: io::Error,
    },
    #[error("cannot become user {user}: {source}")]
    Identity { user: String, source: io::Error },
    #[error("{program:?}: {}", exec_problem(source))]
    Exec {
        program: OsString,
        source: io::Error,
    },
}

fn exec_problem(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => "command not found".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; is it a file that may be executed?".to_owned()
        }
        _ => source.to_string(),
    }
}

impl LaunchError {
    /// Whether becoming the user was not allowed.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Identity { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied)
    }

    /// The exit status a shell would give: 127 if there is no such command, 126 if it cannot be
    /// executed; 1 for everything before that.
    #[must_use]
    pub fn exit_status(&self) -> i32 {
        match self {
            Self::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Exec { .. } => 126,
            Self::NoCommand | Self::NulByte { .. } | Self::Fork { .. } | Self::Identity { .. } => 1,
        }
    }
}

/// A child that waits to exec its command. Dropped, it is gone without having run anything.
#[derive(Debug)]
pub struct Blocked {
    pid: Pid,
    program: OsString,
    baseline: Baseline,
    pipes: Option<Pipes>,
}

/// The parent's ends.
#[derive(Debug)]
struct Pipes {
    /// A byte lets the child go; closing it sends the child away.
    release: File,
    /// The child's reports; closed by a successful exec.
    reports: File,
}

/// Forks a child for `command`, the program (looked up in PATH) and its arguments, to run as
/// `identity` if given. Returns once the child blocks and takes no more faults.
///
/// This process becomes the reaper of whatever the command leaves behind (`PR_SET_CHILD_SUBREAPER`).
///
/// # Errors
/// If there is no command or no process for it; whether it can be executed shows at the release.
pub fn launch(command: &[OsString], identity: Option<&Identity>) -> Result<Blocked, LaunchError> {
    let program = command.first().ok_or(LaunchError::NoCommand)?.clone();
    let Some(image) = Image::new(command, identity) else {
        return Err(LaunchError::NulByte { program });
    };
    let fork_error = |source| LaunchError::Fork {
        program: program.clone(),
        source,
    };
    let (pid, mut pipes) = start(&image, identity).map_err(fork_error)?;
    let report = Report::read(&mut pipes.reports).map_err(fork_error)?;
    let mut blocked = Blocked {
        pid,
        program: program.clone(),
        baseline: Baseline::default(),
        pipes: Some(pipes),
    };
    match report {
        Some(Report::Ready) => {
            blocked.baseline = Baseline {
                counts: Proc::default().counts(blocked.pid()).map_err(fork_error)?,
                cpu_ns: cpu_time::of_process(blocked.pid()).unwrap_or(0),
            };
            Ok(blocked)
        }
        Some(Report::Failed(errno)) => Err(LaunchError::Identity {
            user: identity.map_or_else(String::new, |identity| identity.name.clone()),
            source: io::Error::from_raw_os_error(errno),
        }),
        None => Err(fork_error(io::Error::other("it was killed at once"))),
    }
}

fn start(image: &Image, identity: Option<&Identity>) -> io::Result<(Pid, Pipes)> {
    prctl::set_child_subreaper(true)?;
    let (release_read, release_write) = pipe2(OFlag::O_CLOEXEC)?;
    let (reports_read, reports_write) = pipe2(OFlag::O_CLOEXEC)?;
    let mut mask = SigSet::empty();
    // Until the child has reset them, no handler of this process may run in it.
    pthread_sigmask(
        SigmaskHow::SIG_SETMASK,
        Some(&SigSet::all()),
        Some(&mut mask),
    )?;
    let child = Child {
        image,
        identity,
        mask,
        open_files: limits::original_open_files(),
        release: release_read.as_raw_fd(),
        release_write: release_write.as_raw_fd(),
        reports: reports_write.as_raw_fd(),
    };
    // SAFETY: the child only calls `Child::run`, which keeps to async-signal-safe functions.
    let forked = match unsafe { fork() } {
        Ok(ForkResult::Child) => child.run(),
        Ok(ForkResult::Parent { child }) => Ok(child),
        Err(error) => Err(error),
    };
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&mask), None)?;
    let pipes = Pipes {
        release: File::from(release_write),
        reports: File::from(reports_read),
    };
    Ok((forked?, pipes))
}

impl Blocked {
    /// The process to attach to; it stays the command's after the release.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    /// What the child has used so far, which is none of the command's.
    #[must_use]
    pub const fn baseline(&self) -> Baseline {
        self.baseline
    }

    /// Lets the command start, and returns once it has.
    ///
    /// # Errors
    /// If it cannot be executed; [`LaunchError::exit_status`] is what a shell would give.
    pub fn release(mut self) -> Result<Children, LaunchError> {
        let exec_error = |program: &OsString, source| LaunchError::Exec {
            program: program.clone(),
            source,
        };
        if let Some(pipes) = &mut self.pipes {
            // A child that has been killed meanwhile is told by its exit status.
            let _ = pipes.release.write_all(&[0]);
            let report = Report::read(&mut pipes.reports);
            match report.map_err(|source| exec_error(&self.program, source))? {
                Some(Report::Failed(errno)) => {
                    let source = io::Error::from_raw_os_error(errno);
                    return Err(exec_error(&self.program, source));
                }
                Some(Report::Ready) | None => {}
            }
        }
        self.pipes = None;
        Ok(Children::new(self.pid, self.baseline))
    }
}

impl Drop for Blocked {
    /// Sends away a child that was not released or could not exec.
    fn drop(&mut self) {
        if self.pipes.take().is_some() {
            let _ = waitpid(self.pid, None);
        }
    }
}
