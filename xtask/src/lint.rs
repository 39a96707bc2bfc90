//! Task `lint`: rustfmt and clippy, warnings denied.

use std::{env::consts::ARCH, ffi::OsString, process::ExitCode};

use anyhow::Result;

use crate::{
    command::{self, say},
    fmt, help,
    setup::{self, Build},
    workspace::EBPF_PACKAGE,
};

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    help::no_arguments(args)?;
    say("rustfmt ...");
    fmt::format(&mut setup::toolchain()?.tool("cargo"), true)?;
    let build = Build::prepare()?;
    say("clippy, host crates ...");
    clippy_host(&build)?;
    say("clippy, eBPF crate ...");
    clippy_ebpf(&build)?;
    Ok(ExitCode::SUCCESS)
}

fn clippy_host(build: &Build) -> Result<()> {
    command::run(
        build
            .cargo("clippy")
            .args(["--locked", "--workspace", "--exclude", EBPF_PACKAGE])
            .args(["--all-targets", "--", "--deny", "warnings"]),
    )
}

fn clippy_ebpf(build: &Build) -> Result<()> {
    command::run(
        build
            .cargo("clippy")
            .args(["--locked", "--package", EBPF_PACKAGE, "--release"])
            // As aya-build builds it: the bpf target has no prebuilt `core`.
            .args(["--target", "bpfel-unknown-none", "-Z", "build-std=core"])
            .env("RUSTC_BOOTSTRAP", "1")
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                format!("--cfg=bpf_target_arch=\"{ARCH}\""),
            )
            // Of its own, because RUSTC_BOOTSTRAP makes build scripts run again.
            .env("CARGO_TARGET_DIR", build.workspace.target_dir.join("ebpf"))
            .args(["--", "--deny", "warnings"]),
    )
}
