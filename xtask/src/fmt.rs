//! Task `fmt`: rustfmt for every crate.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::Result;

use crate::{command, help, setup};

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    let check = help::only_flag(args, "--check")?;
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
