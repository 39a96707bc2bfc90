//! Task `run`: built as the invoking user, run as root.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{build, command, environment, setup::Build, sudo};

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    let build = Build::prepare()?;
    let binary = build::binary(&build, build::DAILY)?;
    let mut command = if sudo::is_root() {
        Command::new(&binary)
    } else {
        let mut sudo = Command::new(sudo::find().with_context(|| {
            format!(
                "fault-trace needs root and `sudo` is missing: install it, or become root \
                 and run {}",
                binary.display()
            )
        })?);
        sudo.arg("--").arg(&binary);
        sudo
    };
    command.args(args);
    environment::clean(&mut command);
    // Replaces us: signals and the exit status need no passing on.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot run `{}`", command::line(&command)))
}
