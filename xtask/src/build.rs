//! Task `build`: the binary.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use crate::{
    artifact,
    command::say,
    setup::Build,
    workspace::{LAB_PACKAGE, MAIN_PACKAGE},
};

/// The profile of what is built again and again: optimised, and quick to build.
pub(crate) const DAILY: &str = "release";
/// The profile of what is installed, and so of what is measured: as fast as it gets.
pub(crate) const SHIPPED: &str = "dist";

pub(crate) fn task(debug: bool) -> Result<ExitCode> {
    let build = Build::prepare()?;
    let profile = if debug { "dev" } else { DAILY };
    let binary = binary(&build, profile)?;
    say(&format!("built {}", binary.display()));
    Ok(ExitCode::SUCCESS)
}

/// Builds the binary and says where it is.
pub(crate) fn binary(build: &Build, profile: &str) -> Result<PathBuf> {
    let mut cargo = build.cargo("build");
    cargo.args(["--locked", "--package", MAIN_PACKAGE, "--profile", profile]);
    Ok(artifact::build(&mut cargo, "bin", MAIN_PACKAGE)?.path)
}

/// Builds a program of the test lab for measuring, and says where it is.
pub(crate) fn lab(build: &Build, name: &str) -> Result<PathBuf> {
    let mut cargo = build.cargo("build");
    cargo.args(["--locked", "--profile", SHIPPED, "--package", LAB_PACKAGE]);
    cargo.args(["--bin", name]);
    Ok(artifact::build(&mut cargo, "bin", name)?.path)
}
