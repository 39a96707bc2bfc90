//! How the program ends.

use std::process::ExitCode;

/// The program's exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Everything went well.
    Fine,
    /// A command failed, or a budget was exceeded.
    Failed,
    /// The arguments make no sense.
    Usage,
    /// The kernel or the privileges do not allow it.
    NotAllowed,
    /// What the launched command ended with, as a shell gives it.
    Command(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Usage => Self::from(2),
            Exit::NotAllowed => Self::from(3),
            Exit::Command(status) => u8::try_from(status).map_or(Self::FAILURE, Self::from),
        }
    }
}

/// The kernel or the privileges do not allow what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAllowed(pub String);

/// The launched command could not be run; the status is what a shell would give.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct NotLaunched {
    pub message: String,
    pub status: i32,
}

impl Exit {
    /// The exit status that an error calls for. A reader that closed its end of a pipe has seen
    /// enough: no failure.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        if is_closed_pipe(error) {
            Self::Fine
        } else if error.is::<NotAllowed>() {
            Self::NotAllowed
        } else if let Some(error) = error.downcast_ref::<NotLaunched>() {
            Self::Command(error.status)
        } else {
            Self::Failed
        }
    }
}

/// Whether the error is a pipe whose reader has gone.
#[must_use]
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
