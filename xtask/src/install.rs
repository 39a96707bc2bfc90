//! Task `install`: a binary as it is shipped, where sudo finds it.

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result};

use crate::{
    build,
    command::{self, say},
    setup::Build,
    sudo,
    workspace::MAIN_PACKAGE,
};

pub(crate) fn task(root: &Path) -> Result<ExitCode> {
    let build = Build::prepare()?;
    let binary = build::binary(&build, build::SHIPPED)?;
    let bin = root.join("bin");
    let to = bin.join(MAIN_PACKAGE);
    match copy(&binary, &bin) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !sudo::is_root() => {
            copy_as_root(&binary, &to)
        }
        copied => copied.with_context(|| format!("cannot install {}", to.display())),
    }?;
    say(&format!("installed {}", to.display()));
    Ok(ExitCode::SUCCESS)
}

/// Renamed into place, because a running binary cannot be written to.
fn copy(binary: &Path, bin: &Path) -> io::Result<()> {
    fs::create_dir_all(bin)?;
    let new = bin.join(format!(".{MAIN_PACKAGE}.new"));
    fs::copy(binary, &new)?;
    fs::rename(&new, bin.join(MAIN_PACKAGE))
}

fn copy_as_root(binary: &Path, to: &Path) -> Result<()> {
    let sudo = sudo::find().with_context(|| {
        format!(
            "you may not write {} and `sudo` is missing: install it, or give a folder of \
             yours with `--root DIR`",
            to.display()
        )
    })?;
    say(&format!("copying to {} with sudo ...", to.display()));
    command::run(
        Command::new(sudo)
            .args(["install", "-D", "-m", "755"])
            .args([binary, to]),
    )
}
