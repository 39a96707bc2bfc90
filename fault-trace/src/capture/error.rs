//! What can go wrong while capturing.

use std::io;

use aya::{EbpfError, maps::MapError, programs::ProgramError};
use fault_trace_common::Hook;

/// Why faults could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("the eBPF programs cannot be loaded")]
    Load(#[source] Box<EbpfError>),
    #[error("the kernel refused the eBPF program {program}")]
    Program {
        program: &'static str,
        #[source]
        source: Box<ProgramError>,
    },
    #[error(
        "this kernel's verifier refuses the eBPF program {program}: this is a bug in fault-trace, \
         please report it with these lines:\n{log}"
    )]
    Verifier {
        program: &'static str,
        /// Its last lines.
        log: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot load the eBPF program {program}")]
    Short {
        program: &'static str,
        /// Of memory or descriptors.
        #[source]
        source: io::Error,
    },
    #[error("the eBPF object has no {kind} {name}")]
    Missing {
        kind: &'static str,
        name: &'static str,
    },
    #[error("cannot attach to {}", .hook.info().name)]
    Attach {
        hook: Hook,
        #[source]
        source: Box<ProgramError>,
    },
    #[error("cannot open the perf event {} on CPU {cpu}", .hook.info().name)]
    PerfEvent {
        hook: Hook,
        cpu: u32,
        #[source]
        source: io::Error,
    },
    #[error("cannot trace {id}: more than 65,536 targets at once; trace the machine with --all")]
    Target {
        id: u32,
        #[source]
        source: MapError,
    },
    #[error(
        "cannot map the ring buffer of {bytes} bytes; choose a smaller one with --buffer, or free memory"
    )]
    Ring {
        bytes: usize,
        #[source]
        source: io::Error,
    },
    #[error("cannot show the anomalies of the eBPF programs")]
    Debug(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot use the eBPF map {name}")]
    Map {
        name: &'static str,
        #[source]
        source: MapError,
    },
}

/// How much of the verifier's log is shown; it can have thousands of lines, and the last tell why.
const LOG_LINES: usize = 16;

impl CaptureError {
    /// The kernel did not take a program: for want of privileges, or its verifier refused it.
    pub(super) fn refused(program: &'static str, source: ProgramError) -> Self {
        match source {
            // The log, if there is one, tells of a program that passed.
            ProgramError::LoadError { io_error, .. } if is_shortage(&io_error) => Self::Short {
                program,
                source: io_error,
            },
            ProgramError::LoadError {
                io_error,
                verifier_log,
            } if !verifier_log.to_string().trim().is_empty() => Self::Verifier {
                program,
                log: last_lines(&verifier_log.to_string()),
                source: io_error,
            },
            source => Self::Program {
                program,
                source: Box::new(source),
            },
        }
    }

    /// The optional hooks whose absence caused this: the capture can go on without them. Empty where
    /// it cannot.
    #[must_use]
    pub fn optional_hooks(&self) -> Vec<Hook> {
        // It would be lacking anywhere else as well.
        if self.io_error().is_some_and(is_shortage) {
            return Vec::new();
        }
        let refused: Vec<Hook> = match self {
            Self::Attach { hook, .. } => vec![*hook],
            // The verifier says EACCES, too.
            Self::Verifier { program, .. } => using(program).collect(),
            Self::Program { program, .. } if !self.is_permission() => using(program).collect(),
            _ => Vec::new(),
        };
        let needed = refused.iter().any(|hook| hook.info().required);
        if needed { Vec::new() } else { refused }
    }

    /// What the kernel itself said.
    #[must_use]
    pub fn kernels_reason(&self) -> String {
        let mut cause: &(dyn std::error::Error + 'static) = self;
        while let Some(source) = cause.source() {
            cause = source;
        }
        cause.to_string()
    }

    /// Whether privileges are what is missing.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        self.io_error()
            .is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Returns the kernel's error, if that is what it was.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            // Those that stand for another error do not show it among their causes.
            let boxed = error.downcast_ref::<Box<ProgramError>>();
            let program = error.downcast_ref().or_else(|| boxed.map(|error| &**error));
            let transparent = match program {
                Some(ProgramError::IOError(io) | ProgramError::MapError(MapError::IoError(io))) => {
                    Some(io)
                }
                _ => match error.downcast_ref::<MapError>() {
                    Some(MapError::IoError(io)) => Some(io),
                    _ => None,
                },
            };
            if let Some(io) = error.downcast_ref::<io::Error>().or(transparent) {
                return Some(io);
            }
            cause = error.source();
        }
        None
    }
}

/// Whether the kernel lacks memory or descriptors, of which no program is the cause.
fn is_shortage(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOMEM | libc::EMFILE | libc::ENFILE)
    )
}

/// The hooks whose program this is.
fn using(program: &'static str) -> impl Iterator<Item = Hook> {
    Hook::ALL
        .into_iter()
        .filter(move |hook| hook.info().program == program)
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.trim().lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(program: &'static str) -> CaptureError {
        CaptureError::Verifier {
            program,
            log: "R1 invalid mem access".to_owned(),
            source: io::Error::from_raw_os_error(libc::EACCES),
        }
    }

    #[test]
    fn a_run_goes_on_without_optional_programs_only() {
        let reclaim = refused("reclaim_begin");
        assert_eq!(reclaim.optional_hooks().len(), 3);
        assert!(reclaim.kernels_reason().contains("Permission denied"));
        assert!(refused("page_fault_user").optional_hooks().is_empty());
    }

    #[test]
    fn what_is_short_is_not_taken_for_a_missing_hook() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM] {
            let error = CaptureError::Attach {
                hook: Hook::DirectReclaimBegin,
                source: Box::new(ProgramError::IOError(io::Error::from_raw_os_error(errno))),
            };
            assert!(error.optional_hooks().is_empty(), "{error:?}");
            assert_eq!(
                error.io_error().and_then(io::Error::raw_os_error),
                Some(errno)
            );
        }
    }

    #[test]
    fn of_a_long_log_the_end_is_shown() {
        let log: String = (0..1000).map(|line| format!("{line}\n")).collect();
        let shown = last_lines(&log);
        assert_eq!(shown.lines().count(), LOG_LINES);
        assert!(shown.ends_with("\n999"), "{shown}");
        assert_eq!(last_lines("one\n"), "one");
    }
}
