//! Task `fmt`: rustfmt for every crate.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{command, setup};

pub(crate) fn task(check: bool) -> Result<ExitCode> {
    // Formatting needs no bpf-linker.
    format(&mut setup::toolchain()?.tool("cargo"), check)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn format(cargo: &mut Command, check: bool) -> Result<()> {
    cargo.args(["fmt", "--all", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    if check {
        cargo.arg("--check");
    }
    command::run(cargo)
}
