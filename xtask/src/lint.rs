//! Task `lint`: the layers, rustfmt and clippy, warnings denied.

mod arrows;
mod imports;
mod layers;
mod tree;

use std::{env::consts::ARCH, path::Path, process::ExitCode};

use anyhow::{Result, bail};

use crate::{
    command::{self, say},
    fmt,
    setup::{self, Build},
    workspace::EBPF_PACKAGE,
};
use tree::Tree;

pub(crate) fn task() -> Result<ExitCode> {
    say("layers ...");
    layers(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    say("rustfmt ...");
    fmt::format(&mut setup::toolchain()?.tool("cargo"), true)?;
    let build = Build::prepare()?;
    say("clippy, host crates ...");
    clippy_host(&build)?;
    say("clippy, eBPF crate ...");
    clippy_ebpf(&build)?;
    Ok(ExitCode::SUCCESS)
}

/// The sources whose files must not know each other in circles: each is a crate.
const SOURCES: [&str; 9] = [
    "fault-trace-common/src",
    "fault-trace-ebpf/src",
    MAIN_SOURCES,
    "lab/src/bin/harm",
    "lab/src/bin/known",
    "lab/src/bin/touch",
    "lab/src/bin/workloads",
    "lab/src/synthetic",
    "xtask/src",
];
const MAIN_SOURCES: &str = "fault-trace/src";

/// Refuses arrows against the layers, and circles.
fn layers(workspace: &Path) -> Result<()> {
    let mut problems = Vec::new();
    for sources in SOURCES {
        let tree = Tree::read(&workspace.join(sources))?;
        if sources == MAIN_SOURCES {
            problems.extend(arrows::against_the_layers(&tree, layers::RULES));
        }
        problems.extend(arrows::circles(&tree, sources, layers::CIRCLES));
        problems.extend(arrows::mended(&tree, sources, layers::CIRCLES));
    }
    if !problems.is_empty() {
        bail!("the layers do not hold:\n{}", problems.join("\n"));
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_hold() {
        layers(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).expect("no breach");
    }
}
