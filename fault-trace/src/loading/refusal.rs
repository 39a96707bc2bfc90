//! What the machine refuses, as errors with their remedies; and the CPUs that it has.

use std::path::Path;

use anyhow::Context as _;

use super::shortage;
use crate::{
    capture::{CaptureError, Settings, sideband::OpenError},
    exit::{self, NotAllowed},
    host::kernel,
};

/// The CPUs to attach to.
pub(crate) fn online_cpus() -> anyhow::Result<Vec<u32>> {
    kernel::online_cpus(Path::new(kernel::CPUS_ONLINE)).context("cannot list the CPUs")
}

/// An error of the mapping records, as one of privileges where it is one.
pub(crate) fn unreadable(error: OpenError) -> anyhow::Error {
    if error.is_permission() {
        NotAllowed(exit::describe(&error.into())).into()
    } else {
        error.into()
    }
}

/// An error of the capture, with its remedy; as one of privileges where it is one.
pub(crate) fn not_allowed(error: CaptureError) -> anyhow::Error {
    explained(error, None)
}

/// The same of a capture with these settings.
pub(crate) fn explained(error: CaptureError, settings: Option<&Settings>) -> anyhow::Error {
    let short = error
        .io_error()
        .and_then(|error| shortage::explain(error, settings));
    let is_permission = error.is_permission();
    let error = error.into();
    match short {
        Some(remedy) => NotAllowed(format!("{}: {remedy}", exit::describe(&error))).into(),
        None if is_permission => NotAllowed(format!(
            "{}; `fault-trace doctor` shows what is missing",
            exit::describe(&error)
        ))
        .into(),
        None => error,
    }
}
