//! Launched commands: their exit status, and the user they run as.

use std::fs;

use tempfile::tempdir;

use crate::support::{fault_trace, is_root, known_path, run, text};

#[test]
fn the_commands_exit_status_is_passed_on() {
    if !is_root() {
        return;
    }
    let known = known_path();
    for (script, status) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("exec \"$0\" segv", 139),
    ] {
        let output = run([
            "stat".as_ref(),
            "--".as_ref(),
            "sh".as_ref(),
            "-c".as_ref(),
            script.as_ref(),
            known.as_os_str(),
        ]);
        assert_eq!(output.status.code(), Some(status), "{script}: {output:?}");
        let expected = format!("exit status {status}");
        assert!(
            text(&output.stdout).contains(&expected),
            "{script}: {output:?}"
        );
    }
}

#[test]
fn a_command_that_cannot_run_ends_as_in_a_shell() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let plain = folder.path().join("plain");
    fs::write(&plain, "echo no\n").expect("written");
    let plain = plain.to_str().expect("text");
    let recording = folder.path().join("r.ftrace");
    for (command, status, cause) in [
        ("/no/such/command", 127, "not found"),
        ("no-such-command-anywhere", 127, "not found"),
        (plain, 126, "permission denied"),
    ] {
        let commands: [&[&str]; 3] = [
            &["stat", "--", command],
            &["trace", "--", command],
            &[
                "record",
                "--overwrite",
                "-o",
                recording.to_str().expect("text"),
                "--",
                command,
            ],
        ];
        for arguments in commands {
            let output = run(arguments);
            assert_eq!(
                output.status.code(),
                Some(status),
                "{arguments:?}: {output:?}"
            );
            let message = text(&output.stderr);
            assert!(
                message.contains(command) && message.contains(cause),
                "{message}"
            );
        }
    }
}

#[test]
fn under_sudo_the_command_runs_as_the_user() {
    if !is_root() {
        return;
    }
    let output = fault_trace()
        .args(["stat", "--", "sh", "-c", "id -u; id -g; id -G; echo $USER"])
        .envs([("SUDO_UID", "65534"), ("SUDO_GID", "65534")])
        .output()
        .expect("fault-trace starts");
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<&str> = text(&output.stdout).lines().take(4).collect();
    assert_eq!(lines, ["65534", "65534", "65534", "nobody"]);
}

#[test]
fn without_sudo_root_stays_root() {
    if !is_root() {
        return;
    }
    let output = run(["stat", "--", "id", "-u"]);
    assert_eq!(text(&output.stdout).lines().next(), Some("0"));
}
