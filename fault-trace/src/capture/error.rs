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
    #[error("cannot use the eBPF map {name}")]
    Map {
        name: &'static str,
        #[source]
        source: MapError,
    },
}

impl CaptureError {
    /// The optional hook whose absence caused this: the capture can go on without it.
    #[must_use]
    pub const fn optional_hook(&self) -> Option<Hook> {
        match self {
            Self::Attach { hook, .. } if !hook.info().required => Some(*hook),
            _ => None,
        }
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
