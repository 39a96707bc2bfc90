//! Which file did cargo build? (`--message-format=json-render-diagnostics`)

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command;

/// An executable, and the folder cargo would run it in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Executable {
    pub(crate) path: PathBuf,
    pub(crate) package_dir: PathBuf,
}

/// Runs a cargo build and returns the executable of one target; `kind` is `bin` or `test`.
pub(crate) fn build(cargo: &mut Command, kind: &str, target: &str) -> Result<Executable> {
    cargo
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit());
    let messages = command::stdout(cargo)?;
    find_executable(&messages, kind, target)
        .with_context(|| format!("cargo built no {kind} `{target}`"))
}

fn find_executable(messages: &str, kind: &str, target: &str) -> Option<Executable> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact")
        .filter(|message| message["target"]["name"] == target)
        .filter(|message| message["target"]["kind"][0] == kind)
        .find_map(|message| {
            let manifest = PathBuf::from(message["manifest_path"].as_str()?);
            Some(Executable {
                path: message["executable"].as_str()?.into(),
                package_dir: manifest.parent()?.into(),
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"{"reason":"build-script-executed","package_id":"x"}
not json
{"reason":"compiler-artifact","manifest_path":"/w/fault-trace/Cargo.toml","target":{"kind":["lib"],"name":"fault_trace"},"executable":null}
{"reason":"compiler-artifact","manifest_path":"/w/fault-trace/Cargo.toml","target":{"kind":["bin"],"name":"fault-trace"},"executable":"/t/debug/fault-trace"}
{"reason":"compiler-artifact","manifest_path":"/w/fault-trace/Cargo.toml","target":{"kind":["test"],"name":"privileged"},"executable":"/t/debug/deps/privileged-1"}
{"reason":"build-finished","success":true}"#;

    #[test]
    fn the_executable_is_found_by_kind_and_name() {
        let found = find_executable(MESSAGES, "test", "privileged").expect("is there");
        assert_eq!(found.path, PathBuf::from("/t/debug/deps/privileged-1"));
        assert_eq!(found.package_dir, PathBuf::from("/w/fault-trace"));
        let found = find_executable(MESSAGES, "bin", "fault-trace").expect("is there");
        assert_eq!(found.path, PathBuf::from("/t/debug/fault-trace"));
    }

    #[test]
    fn a_target_that_was_not_built_is_not_found() {
        assert_eq!(find_executable(MESSAGES, "test", "fault-trace"), None);
        assert_eq!(find_executable("", "bin", "fault-trace"), None);
    }
}
