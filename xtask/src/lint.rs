//! Task `lint`: the layers, rustfmt and clippy, warnings denied.

mod arrows;
mod imports;
mod layers;
mod tree;

use std::{env::consts::ARCH, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail};

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

/// The folder of the crates that the main one is built on.
const CRATES: &str = "crates";
/// The sources whose files must not know each other in circles, beside those: each is a crate.
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
    let floors = folders(&workspace.join(CRATES))?;
    let crates = floors.iter();
    let crates = crates.map(|name| (format!("{CRATES}/{name}/src"), Some(name.as_str())));
    let others = SOURCES.map(|sources| (sources.to_owned(), None));
    for (sources, floor) in crates.chain(others) {
        let tree = Tree::read(&workspace.join(&sources), &floors)?;
        if floor.is_some() || sources == MAIN_SOURCES {
            let against = arrows::against_the_layers(&tree, floor, layers::RULES);
            problems.extend(against.iter().map(|problem| format!("{sources}/{problem}")));
        }
        problems.extend(arrows::circles(&tree, &sources, layers::CIRCLES));
        problems.extend(arrows::mended(&tree, &sources, layers::CIRCLES));
    }
    if !problems.is_empty() {
        bail!("the layers do not hold:\n{}", problems.join("\n"));
    }
    Ok(())
}

/// The names of the folders in a folder, sorted.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
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
