//! What `cargo metadata` knows about this workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{command, toolchain::Toolchain};

/// Built for the bpf target only, never for the host.
pub(crate) const EBPF_PACKAGE: &str = "fault-trace-ebpf";
/// The package and the binary.
pub(crate) const MAIN_PACKAGE: &str = "fault-trace";
/// Programs with known faults, made-up recordings, benches.
pub(crate) const LAB_PACKAGE: &str = "lab";
/// Test target of `fault-trace` that needs root.
pub(crate) const PRIVILEGED_TEST: &str = "privileged";

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target_dir: PathBuf,
    /// Integration tests of the host crates.
    pub(crate) tests: Vec<String>,
}

impl Workspace {
    pub(crate) fn read(toolchain: &Toolchain) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let metadata = command::stdout(
            toolchain
                .tool("cargo")
                .args(["metadata", "--no-deps", "--format-version=1"])
                .arg("--manifest-path")
                .arg(root.join("Cargo.toml")),
        )?;
        Self::parse(&metadata).context("cannot read the answer of `cargo metadata`")
    }

    fn parse(metadata: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(metadata)?;
        let folder = |key: &str| {
            metadata[key]
                .as_str()
                .map(PathBuf::from)
                .with_context(|| format!("no {key}"))
        };
        Ok(Self {
            root: folder("workspace_root")?,
            target_dir: folder("target_directory")?,
            tests: test_targets(&metadata),
        })
    }
}

fn test_targets(metadata: &Value) -> Vec<String> {
    array(&metadata["packages"])
        .filter(|package| package["name"] != EBPF_PACKAGE)
        .flat_map(|package| array(&package["targets"]))
        .filter(|target| array(&target["kind"]).any(|kind| kind == "test"))
        .filter_map(|target| Some(target["name"].as_str()?.to_owned()))
        .collect()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_gives_folders_and_host_tests() {
        let workspace = Workspace::parse(
            r#"{"workspace_root":"/w","target_directory":"/t","packages":[
                {"name":"fault-trace","targets":[
                    {"name":"fault_trace","kind":["lib"]},
                    {"name":"cli","kind":["test"]},
                    {"name":"privileged","kind":["test"]}]},
                {"name":"fault-trace-ebpf","targets":[{"name":"never","kind":["test"]}]}]}"#,
        )
        .expect("valid metadata");
        assert_eq!(workspace.root, Path::new("/w"));
        assert_eq!(workspace.target_dir, Path::new("/t"));
        assert_eq!(workspace.tests, ["cli", "privileged"]);
        assert!(Workspace::parse("{}").is_err());
    }
}
