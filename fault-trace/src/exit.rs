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
    /// A signal came before there was anything to report.
    Interrupted(i32),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Failed => Self::FAILURE,
            Exit::Usage => Self::from(2),
            Exit::NotAllowed => Self::from(3),
            Exit::Command(status) => u8::try_from(status).map_or(Self::FAILURE, Self::from),
            Exit::Interrupted(signal) => Exit::Command(128 + signal).into(),
        }
    }
}

/// The kernel or the privileges do not allow what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAllowed(pub String);

/// The arguments make no sense, as shows only when the recording is read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// A signal came before the first fault could count: nothing ran, and nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[error("ended by {signal} before the run began: nothing was traced")]
pub struct Interrupted {
    pub signal: nix::sys::signal::Signal,
}

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
        } else if error.is::<Unusable>() {
            Self::Usage
        } else if let Some(error) = error.downcast_ref::<NotLaunched>() {
            Self::Command(error.status)
        } else if let Some(error) = error.downcast_ref::<Interrupted>() {
            Self::Interrupted(error.signal as i32)
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

/// Of a cause with more lines than this, such as the verifier's log, the last ones are shown.
const LINES_SHOWN: usize = 12;

/// An error with its causes, each said once, in few lines.
#[must_use]
pub fn describe(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = last_lines(&cause.to_string());
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text += ": ";
            text += &cause;
        }
    }
    text
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    match lines.len().checked_sub(LINES_SHOWN) {
        None | Some(0) => lines.join("\n"),
        Some(left_out) => format!(
            "… ({left_out} lines left out)\n{}",
            lines[left_out..].join("\n")
        ),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_was_said_is_not_repeated() {
        let error = anyhow!("no such file").context("cannot read x: no such file; check the path");
        assert_eq!(
            describe(&error),
            "cannot read x: no such file; check the path"
        );
        let error = anyhow!("no such file").context("cannot read x");
        assert_eq!(describe(&error), "cannot read x: no such file");
    }

    #[test]
    fn a_long_cause_shows_its_end() {
        let log: Vec<String> = (0..5000).map(|line| format!("insn {line}")).collect();
        let text = describe(&anyhow!(log.join("\n")).context("refused"));
        assert!(
            text.starts_with("refused: … (4988 lines left out)\n"),
            "{text}"
        );
        assert!(text.ends_with("insn 4999"));
        assert_eq!(text.lines().count(), 13);
    }

    #[test]
    fn each_kind_of_error_has_its_status() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(
            Exit::of(&anyhow::Error::from(broken).context("x")),
            Exit::Fine
        );
        assert_eq!(Exit::of(&NotAllowed("x".into()).into()), Exit::NotAllowed);
        assert_eq!(Exit::of(&Unusable("x".into()).into()), Exit::Usage);
        let signal = nix::sys::signal::Signal::SIGTERM;
        let interrupted = Exit::of(&Interrupted { signal }.into());
        assert_eq!(interrupted, Exit::Interrupted(15));
        assert_eq!(ExitCode::from(interrupted), ExitCode::from(143));
        let missing = NotLaunched {
            message: "x".into(),
            status: 127,
        };
        assert_eq!(Exit::of(&missing.into()), Exit::Command(127));
        assert_eq!(Exit::of(&anyhow!("x")), Exit::Failed);
    }
}
