//! Limits and what is not mounted: each has its own message, with its remedy.

use std::process::{Command, Output};

use tempfile::tempdir;

use crate::support::{MemoryCgroup, is_root, skip, text};

/// Runs a shell's line, in which `$FT` is the program and `$D` an empty folder.
fn shell(line: &str) -> Output {
    let folder = tempdir().expect("a folder");
    Command::new("bash")
        .args(["-c", line])
        .env("FT", env!("CARGO_BIN_EXE_fault-trace"))
        .env("D", folder.path())
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .output()
        .expect("bash starts")
}

#[test]
fn too_few_open_files_are_named() {
    if !is_root() {
        return;
    }
    for limit in [20, 48, 86, 90, 94] {
        let line =
            format!("ulimit -n {limit}; $FT record -o $D/r.ftrace -- true; s=$?; ls $D; exit $s");
        let output = shell(&line);
        if output.status.success() {
            // This root may raise the limit beyond the hard one.
            continue;
        }
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(output.stdout.is_empty(), "nothing is left: {output:?}");
        let message = text(&output.stderr);
        let named = format!("may have {limit} files open");
        assert!(
            message.contains(&named) && message.contains("ulimit -n 1024"),
            "{message}"
        );
        assert!(
            !message.contains("bug") && !message.contains("verifier"),
            "{message}"
        );
    }
}

#[test]
fn the_soft_limit_is_raised_and_the_command_keeps_its_own() {
    if !is_root() {
        return;
    }
    let output = shell("ulimit -Sn 40; $FT stat -- sh -c 'ulimit -Sn; ulimit -Hn'; ulimit -Hn");
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    let hard = lines.last().copied().unwrap_or_default();
    assert_eq!(lines[..2], ["40", hard], "{output:?}");
}

#[test]
fn what_is_not_mounted_is_named_with_the_remedy() {
    if !is_root() {
        return;
    }
    for (hide, named, remedy) in [
        (
            "mount -t tmpfs none /proc",
            "/proc: no proc file system",
            "mount -t proc proc /proc",
        ),
        (
            "mount -t tmpfs none /sys",
            "/sys: no sysfs",
            "mount -t sysfs sysfs /sys",
        ),
    ] {
        for command in [
            "stat -- true",
            "record -o $D/r.ftrace -- true",
            "trace -- true",
        ] {
            let output = shell(&format!("unshare -m sh -c '{hide} && exec $FT {command}'"));
            let message = text(&output.stderr);
            if message.contains("unshare:") || message.contains("mount:") {
                skip("nothing may be mounted here");
                return;
            }
            assert_eq!(output.status.code(), Some(3), "{output:?}");
            assert!(
                message.contains(named) && message.contains(remedy),
                "{message}"
            );
            assert_eq!(message.matches("remedy").count(), 1, "{message}");
        }
    }
    // A kernel without type information.
    let hide = "mount -t tmpfs none /sys/kernel/btf";
    let output = shell(&format!(
        "unshare -m sh -c '{hide} && exec $FT stat -- true'"
    ));
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        text(&output.stderr).contains("CONFIG_DEBUG_INFO_BTF=y"),
        "{output:?}"
    );
}

#[test]
fn the_proc_of_another_pid_namespace_is_named() {
    if !is_root() {
        return;
    }
    // It stays mounted with nobody in it whom it could show.
    let line = "unshare -m sh -c 'unshare -p -f mount -t proc proc /mnt && mount --bind /mnt /proc \
                && exec $FT stat -- true'";
    let output = shell(line);
    let message = text(&output.stderr);
    if message.contains("unshare:") || message.contains("mount:") {
        skip("nothing may be mounted here");
        return;
    }
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(message.contains("another PID namespace"), "{message}");
}

#[test]
fn a_run_fits_into_a_small_memory_cgroup() {
    if !is_root() {
        return;
    }
    let Some(cgroup) = MemoryCgroup::new("fits", 64 << 20) else {
        return;
    };
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("r.ftrace");
    let path = path.to_str().expect("text");
    let known = crate::support::known_path();
    let known = known.to_str().expect("text");
    let output = cgroup.run(&[
        "record",
        "--format",
        "json",
        "--buffer",
        "1M",
        "-o",
        path,
        "--",
        known,
        "touch:500",
    ]);
    let report = crate::support::Report::of(&output);
    report.assert_nothing_unexplained();
    assert!(report.class("anon-alloc") >= 500, "{report:?}");
    let notes = report.0["notes"].to_string();
    assert!(notes.contains("at most 4,096 threads"), "{notes}");
}

#[test]
fn a_memory_cgroup_that_is_too_small_is_named_with_limit_need_and_remedy() {
    if !is_root() {
        return;
    }
    let Some(cgroup) = MemoryCgroup::new("small", 24 << 20) else {
        return;
    };
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("r.ftrace");
    let path = path.to_str().expect("text");
    let output = cgroup.run(&["record", "-o", path, "--", "true"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let message = text(&output.stderr);
    for part in [
        "24.0 MiB",
        "needs at least 40.0 MiB",
        "--buffer 1M",
        "memory cgroup",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!std::path::Path::new(path).exists());
}
