//! What can go wrong while capturing.

use std::io;

use aya::{EbpfError, maps::MapError, programs::ProgramError};
use fault_trace_common::Hook;

/// Why faults could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("the eBPF programs cannot be loaded; `fault-trace doctor` tells what is missing")]
    Load(#[source] Box<EbpfError>),
    #[error(
        "the kernel refused the eBPF program {program}; `fault-trace doctor` tells what is missing"
    )]
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
    #[error("the eBPF object has no {kind} {name}")]
    Missing {
        kind: &'static str,
        name: &'static str,
    },
    #[error("cannot attach to {}; `fault-trace doctor` tells what is missing", .hook.info().name)]
    Attach {
        hook: Hook,
        #[source]
        source: Box<ProgramError>,
    },
    #[error(
        "cannot open the perf event {} on CPU {cpu}; `fault-trace doctor` tells what is missing",
        .hook.info().name
    )]
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
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return io.kind() == io::ErrorKind::PermissionDenied;
            }
            cause = error.source();
        }
        false
    }
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
    fn of_a_long_log_the_end_is_shown() {
        let log: String = (0..1000).map(|line| format!("{line}\n")).collect();
        let shown = last_lines(&log);
        assert_eq!(shown.lines().count(), LOG_LINES);
        assert!(shown.ends_with("\n999"), "{shown}");
        assert_eq!(last_lines("one\n"), "one");
    }
}
