//! Streams that cannot be written and signals: the command's status stays, and recordings are whole.

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::{SigHandler, Signal, signal};
use serde_json::Value;
use tempfile::tempdir;

use crate::support::{Known, Report, Tracer, fault_trace, is_root, known_path, text, wait_until};

/// The exit status of a shell's line, in which `$FT` is the program and `$D` an empty folder.
fn status(folder: &Path, line: &str) -> Option<i32> {
    let status = Command::new("bash")
        .args(["-o", "pipefail", "-c", line])
        .env("FT", env!("CARGO_BIN_EXE_fault-trace"))
        .env("D", folder)
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .stdin(Stdio::null())
        .status();
    status.expect("bash starts").code()
}

/// Whether a recording was finished.
fn is_complete(recording: &Path) -> bool {
    let text = fs::read_to_string(recording.join("recording.json")).expect("it is there");
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    manifest["run"]["complete"] == true
}

#[test]
fn an_unwritable_standard_error_changes_nothing() {
    if !is_root() {
        return;
    }
    for error in ["2>/dev/full", "2> >(exec true)", "2>&-"] {
        let folder = tempdir().expect("a folder");
        for (line, expected) in [
            ("$FT record -o $D/r.ftrace -- sh -c 'exit 7'", 7),
            ("$FT trace -- sh -c 'exit 7'", 7),
            ("$FT stat -- sh -c 'exit 7'", 7),
            ("$FT stat -- /nonexistent", 127),
            ("$FT record -o $D/n.ftrace -- /nonexistent", 127),
            ("$FT record --duration 300ms -o $D/d.ftrace -- sleep 1", 0),
        ] {
            let line = format!("{line} {error} >/dev/null");
            assert_eq!(status(folder.path(), &line), Some(expected), "{line}");
        }
        for name in ["r.ftrace", "d.ftrace"] {
            assert!(is_complete(&folder.path().join(name)), "{error} {name}");
        }
        assert!(!folder.path().join("n.ftrace").exists());
    }
}

#[test]
fn an_unwritable_standard_output_fails_a_run_that_did_not_fail_itself() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    for (line, expected) in [
        ("$FT record -o $D/1.ftrace -- true", 1),
        ("$FT record -o $D/2.ftrace -- sh -c 'exit 7'", 7),
        ("$FT stat -- true", 1),
        ("$FT stat -- sh -c 'exit 7'", 7),
        ("$FT stat -i 100ms -- sh -c 'sleep 0.5; exit 7'", 7),
        // Before the command has run.
        ("$FT trace -- sh -c 'exit 7'", 1),
    ] {
        let line = format!("{line} >/dev/full 2>$D/messages");
        assert_eq!(status(folder.path(), &line), Some(expected), "{line}");
        let messages = fs::read_to_string(folder.path().join("messages")).expect("text");
        let expected = "fault-trace: cannot write to standard output: No space left";
        assert!(messages.contains(expected), "{line}: {messages}");
    }
    for name in ["1.ftrace", "2.ftrace"] {
        assert!(is_complete(&folder.path().join(name)), "{name}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_keeps_the_commands_status() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    for (line, expected) in [
        ("$FT record -o $D/1.ftrace -- sh -c 'exit 7' | true", 7),
        ("$FT record -o $D/2.ftrace -- true | true", 0),
        ("$FT stat -- sh -c 'exit 7' | true", 7),
        ("$FT stat -i 50ms -- sh -c 'sleep 0.5; exit 7' | head -1", 7),
        ("$FT trace -- sh -c 'sleep 0.5; exit 7' | head -1", 7),
        ("$FT trace -- sh -c 'exit 7' | true", 7),
    ] {
        let line = format!("{line} >/dev/null");
        assert_eq!(status(folder.path(), &line), Some(expected), "{line}");
    }
    for name in ["1.ftrace", "2.ftrace"] {
        assert!(is_complete(&folder.path().join(name)), "{name}");
    }
}

#[test]
fn every_signal_that_asks_for_an_end_ends_a_run_in_order() {
    if !is_root() {
        return;
    }
    for ending in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
    ] {
        let folder = tempdir().expect("a folder");
        let totals = folder.path().join("totals");
        let recording = folder.path().join("r.ftrace");
        let (totals, path) = (
            totals.to_str().expect("text"),
            recording.to_str().expect("text"),
        );
        let known = Known::waiting(&["wait"]);
        let pid = known.pid().to_string();
        let stat = Tracer::attached(["stat", "--format", "json", "-o", totals, "-p", &pid]);
        let record = Tracer::attached(["record", "--format", "json", "-o", path, "-p", &pid]);
        stat.signal(ending);
        record.signal(ending);
        record.report().assert_balanced();
        assert!(is_complete(&recording), "{ending}");
        let output = stat.output();
        assert_eq!(output.status.code(), Some(0), "{ending}: {output:?}");
        let totals = fs::read(totals).expect("written");
        let report: Value = serde_json::from_slice(&totals).expect("JSON");
        assert_eq!(report["complete"], true, "{ending}");
    }
}

#[test]
fn a_launched_command_gets_the_signal_that_only_the_tracer_got() {
    if !is_root() {
        return;
    }
    for ending in [Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTERM] {
        let tracer = Tracer::attached(["stat", "--format", "json", "--", "sleep", "60"]);
        tracer.signal(ending);
        let output = tracer.output();
        assert_eq!(
            output.status.code(),
            Some(128 + ending as i32),
            "{output:?}"
        );
        Report::printed(&output).assert_balanced();
    }
}

/// Starts the program with a signal ignored, as `nohup` and shells do.
fn ignoring(ignored: Signal, arguments: &[&str]) -> std::process::Child {
    use std::os::unix::process::CommandExt as _;
    let mut command = fault_trace();
    command.args(arguments).stdout(Stdio::piped());
    let ignore = move || {
        // SAFETY: `signal` is async-signal-safe, and no handler is set.
        let set = unsafe { signal(ignored, SigHandler::SigIgn) };
        set.map(drop).map_err(Into::into)
    };
    // SAFETY: the closure keeps to what is allowed after a fork.
    unsafe { command.pre_exec(ignore) };
    command.spawn().expect("fault-trace starts")
}

#[test]
fn a_signal_that_is_ignored_at_the_start_stays_ignored() {
    if !is_root() {
        return;
    }
    for ignored in [Signal::SIGHUP, Signal::SIGUSR1] {
        let folder = tempdir().expect("a folder");
        let ready = folder.path().join("ready");
        let go = folder.path().join("go");
        let script = format!(
            ": > {}; until [ -e {} ]; do sleep 0.01; done; exit 7",
            ready.display(),
            go.display()
        );
        let mut tracer = ignoring(ignored, &["stat", "--", "sh", "-c", &script]);
        wait_until("the command runs", || ready.exists());
        let pid = nix::unistd::Pid::from_raw(tracer.id().cast_signed());
        nix::sys::signal::kill(pid, ignored).expect("it runs");
        // An end would come within milliseconds.
        thread::sleep(Duration::from_millis(300));
        assert!(tracer.try_wait().expect("a child").is_none(), "{ignored}");
        // What it launches ignores it as well.
        fs::write(&go, "").expect("written");
        assert_eq!(tracer.wait().expect("a child").code(), Some(7));
    }
}

#[test]
fn a_script_ends_what_it_started_in_the_background() {
    if !is_root() {
        return;
    }
    for ignored in [Signal::SIGINT, Signal::SIGQUIT] {
        let folder = tempdir().expect("a folder");
        let (ready, done) = (folder.path().join("ready"), folder.path().join("done"));
        let script = format!(
            "kill -{0} $$; : > {1}; sleep 2; : > {2}",
            ignored.as_str().trim_start_matches("SIG"),
            ready.display(),
            done.display()
        );
        // The shell lives on: it was told to ignore the signal.
        let tracer = ignoring(
            ignored,
            &["stat", "--format", "json", "--", "sh", "-c", &script],
        );
        wait_until("the command runs", || ready.exists());
        let pid = nix::unistd::Pid::from_raw(tracer.id().cast_signed());
        nix::sys::signal::kill(pid, ignored).expect("it runs");
        let output = tracer.wait_with_output().expect("a child");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(report["complete"], true, "{ignored}");
        wait_until("the command ends by itself", || done.exists());
    }
}

#[test]
fn a_signal_during_the_start_leaves_nothing_or_a_whole_recording() {
    if !is_root() {
        return;
    }
    const STEPS: u32 = 16;
    let began = Instant::now();
    let tracer = Tracer::attached(["stat", "--", "sleep", "60"]);
    let start = began.elapsed();
    tracer.signal(Signal::SIGTERM);
    tracer.output();
    let (mut early, mut late) = (0, 0);
    for step in 0..STEPS {
        let folder = tempdir().expect("a folder");
        let recording = folder.path().join("r.ftrace");
        let path = recording.to_str().expect("text");
        let tracer = Tracer::start(["record", "-o", path, "--", "sleep", "60"]);
        // Up to twice as long as a start takes.
        thread::sleep(start * 2 * step / STEPS);
        tracer.signal(Signal::SIGTERM);
        let output = tracer.output();
        // Killed before it listens, ended before the run, or the command's.
        let status = output.status;
        assert!(
            status.code() == Some(143)
                || std::os::unix::process::ExitStatusExt::signal(&status) == Some(15),
            "{step}: {output:?}"
        );
        if recording.exists() {
            late += 1;
            assert!(is_complete(&recording), "{step}: {output:?}");
        } else {
            early += 1;
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        }
    }
    assert!(early > 0 && late > 0, "{early} {late}");
}

#[test]
fn a_reader_that_does_not_read_cannot_hold_up_the_end() {
    if !is_root() {
        return;
    }
    let known = known_path();
    let known = known.to_str().expect("text");
    let mut tracer = Tracer::start(["trace", "--", known, "touch:20000", "wait"]);
    // The pipe holds some 64 KiB, a thousandth of what is to come.
    let mut stdout = tracer.child().stdout.take().expect("piped");
    let mut first = [0; 4096];
    stdout.read_exact(&mut first).expect("a line or more");
    thread::sleep(Duration::from_millis(500));
    let asked = Instant::now();
    tracer.signal(Signal::SIGTERM);
    let output = tracer.output();
    assert!(asked.elapsed() < Duration::from_secs(20), "{output:?}");
    let messages = text(&output.stderr);
    assert!(messages.contains("no process reads it"), "{output:?}");
    drop(stdout);
}

#[test]
fn a_closed_descriptor_is_not_taken_by_a_file_of_ours() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let line = "$FT record -o $D/r.ftrace -- sh -c 'echo x; echo y >&2; exit 7' <&- >&- 2>&-";
    assert_eq!(status(folder.path(), line), Some(7));
    let recording = folder.path().join("r.ftrace");
    assert!(is_complete(&recording));
    let report = fault_trace().arg("report").arg(&recording).output();
    let report = report.expect("fault-trace starts");
    assert!(report.status.success(), "{report:?}");
    assert!(!text(&report.stderr).contains("damaged"), "{report:?}");
    drop(File::open(recording.join("recording.json")).expect("readable"));
}
