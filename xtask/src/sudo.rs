//! Becoming root, for single steps only: nothing is ever built as root for a user.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::command;

/// The kernel gives /proc/self to the effective user.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

pub(crate) fn find() -> Option<PathBuf> {
    command::find("sudo")
}

/// sudo, if it works without asking for a password.
pub(crate) fn find_silent() -> Option<PathBuf> {
    find().filter(|sudo| {
        Command::new(sudo)
            .args(["--non-interactive", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}
