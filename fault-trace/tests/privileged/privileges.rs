//! Without privileges: a refusal with its remedy.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::{Command, Output},
};

use tempfile::tempdir;

use crate::support::{is_root, text};

const NOBODY: u32 = 65_534;

/// Runs fault-trace as nobody, from a folder that nobody may use.
fn run_as_nobody(arguments: &[&str]) -> Output {
    let folder = tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("ours");
    let program = folder.path().join("fault-trace");
    fs::copy(env!("CARGO_BIN_EXE_fault-trace"), &program).expect("copied");
    Command::new(&program)
        .args(arguments)
        .current_dir(folder.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("nobody may run it")
}

#[test]
fn tracing_without_privileges_is_refused_with_the_remedy() {
    if !is_root() {
        return;
    }
    for command in ["record", "stat", "trace"] {
        let output = run_as_nobody(&[command, "--", "true"]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let message = text(&output.stderr);
        assert!(message.contains("cannot be traced here"), "{message}");
        assert_eq!(
            message.matches("as root").count(),
            2,
            "said once: {message}"
        );
        assert_eq!(
            message.matches("cap_bpf").count(),
            1,
            "said once: {message}"
        );
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn the_doctor_tells_nobody_what_is_missing() {
    if !is_root() {
        return;
    }
    let output = run_as_nobody(&["doctor"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let findings = text(&output.stdout);
    assert!(findings.contains("missing   BPF privilege"), "{findings}");
    assert!(findings.contains("remedy"), "{findings}");

    let output = run_as_nobody(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let missing = findings.to_string().matches("\"missing\"").count();
    assert!(missing > 0, "{findings}");
}

#[test]
fn the_doctor_tells_root_that_all_is_well() {
    if !is_root() {
        return;
    }
    let output = crate::support::run(["doctor"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let findings = text(&output.stdout);
    assert!(
        findings.contains("Faults can be traced here."),
        "{findings}"
    );
}
