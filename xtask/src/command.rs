//! Running programs, with errors that say what was run.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// One line a step, on stderr: stdout belongs to the programs that are run.
pub(crate) fn say(step: &str) {
    eprintln!("xtask: {step}");
}

/// Runs with the terminal attached; the program explains its own failure.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_run(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Returns stdout. stderr goes into the error, unless the caller lets it through.
pub(crate) fn stdout(command: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| cannot_run(command))?;
    if !status.success() {
        let reason = String::from_utf8_lossy(&stderr);
        let message = format!("`{}` failed ({status})\n{reason}", line(command));
        bail!("{}", message.trim_end());
    }
    String::from_utf8(stdout).with_context(|| format!("`{}` printed no UTF-8", line(command)))
}

fn cannot_run(command: &Command) -> String {
    format!("cannot run `{}`", line(command))
}

/// The command as one would type it (no quoting: for messages only).
pub(crate) fn line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Looks a program up in PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| is_executable(file))
}

pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
