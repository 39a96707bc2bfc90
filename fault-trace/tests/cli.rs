//! The command line, as anybody may use it: nothing here needs a privilege.

use std::{fs, process::Output};

use assert_cmd::Command;
use tempfile::tempdir;

fn fault_trace(arguments: &[&str]) -> Output {
    command(arguments).output().expect("fault-trace starts")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fault-trace"));
    command.args(arguments);
    command
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("the output is UTF-8")
}

/// The message of a run that failed with this status, and printed nothing else.
fn refusal(arguments: &[&str], status: i32) -> String {
    let output = fault_trace(arguments);
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {output:?}"
    );
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    text(&output.stderr).to_owned()
}

#[test]
fn a_class_that_only_a_mapping_tells_is_no_filter_of_stat() {
    for class in ["stack-growth", "hugetlb", "write-notify", "segv-guard"] {
        let message = refusal(&["stat", "-a", "--class", class], 2);
        assert!(message.contains(class), "{message}");
        assert!(message.contains("record or trace"), "{message}");
    }
}

#[test]
fn usage_errors_say_what_is_wrong_and_end_with_2() {
    let cases: [(&[&str], &str); 46] = [
        (&["frobnicate"], "frobnicate"),
        (&["stat"], "--pid"),
        (&["record", "-a", "-p", "1"], "cannot be used with"),
        (&["stat", "-p", "0"], "the number of a process"),
        (&["stat", "-p", "abc"], "as `ps -e` shows it"),
        (&["stat", "-t", "1,x"], "the number of a thread"),
        (&["stat", "--comm", ""], "ps -eLo comm"),
        (&["stat", "-u", ""], "getent passwd"),
        (&["stat", "-a", "--duration", "10"], "as in 10s"),
        (&["stat", "-a", "--duration", "0s"], "longer than 0"),
        (&["record", "-a", "--buffer", "2GiB"], "at most 1GiB"),
        (&["stat", "-a", "--address", "5-4"], "LO must be below HI"),
        (&["stat", "-a", "--class", "anon"], "anon-alloc, anon-huge"),
        (&["stat", "-a", "--family", "x"], "demand, cow"),
        (&["record", "-a", "--sample", "2"], "as in 1/64"),
        (&["report"], "DIR"),
        (&["export", "x", "--to", "xml"], "jsonl"),
        (&["export", "x", "--to", "folded", "--weight", "x"], "pages"),
        (&["report", "x", "--by", "colour"], "function"),
        (&["report", "x", "--sort", "name"], "p99"),
        (&["report", "x", "--from", "5"], "as in 10s"),
        (&["diff", "x"], "<B>"),
        (
            &["record", "ls"],
            "put the command behind --: fault-trace record -- ls\n",
        ),
        (
            &["stat", "-i", "1s", "ls", "-lR", "/tmp"],
            "fault-trace stat -i 1s -- ls -lR /tmp\n",
        ),
        (&["trace", "ls"], "fault-trace trace -- ls\n"),
        (&["record", "-a", "--buffer", "1k"], "at least 4KiB"),
        (
            &["stat", "-a", "--buffer", "1M"],
            "that is for record, trace",
        ),
        (&["stat", "-a", "-g"], "that is for record, trace"),
        (
            &["record", "-a", "--call-graph", "dwarf", "--buffer", "8KiB"],
            "64KiB or more",
        ),
        (&["record", "-a", "--duraton", "1s"], "'--duration'"),
        (
            &["report", "x", "--by", "process", "--sort", "inclusive"],
            "--by function",
        ),
        (&["report", "x", "--sort", "inclusive"], "--by function"),
        (
            &["report", "x", "--by", "file", "--sort", "start"],
            "--by time",
        ),
        (
            &["report", "x", "--from", "20s", "--until", "10s"],
            "no fault lies between",
        ),
        (
            &[
                "export", "x", "--to", "csv", "--from", "1s", "--until", "1s",
            ],
            "no fault lies between",
        ),
        (&["report", "x", "--until", "0s"], "the start of the run"),
        (&["report", "x", "--process", ""], "number or the name"),
        (
            &["report", "x", "--histogram", "log", "--by", "file"],
            "the summary",
        ),
        (
            &["report", "x", "--histogram", "none", "--family", "cow"],
            "the summary",
        ),
        (
            &["report", "x", "--histogram", "log", "--format", "csv"],
            "as text",
        ),
        (&["report", "x", "--debug-dir", "/"], "--by function"),
        (&["diff", "x", "y", "--weight", "time"], "--to flamegraph"),
        (&["diff", "x", "y", "--debug-dir", "/"], "--to flamegraph"),
        (&["diff", "x", "y", "--to", "csv"], "folded, flamegraph"),
        (
            &["export", "x", "--to", "jsonl", "--weight", "count"],
            "--to folded",
        ),
        (
            &["export", "x", "--to", "hgrm", "--debug-dir", "/"],
            "name functions",
        ),
    ];
    for (arguments, hint) in cases {
        let message = refusal(arguments, 2);
        assert!(message.contains(hint), "{arguments:?}: {message}");
        assert!(
            message.contains("--help") || message.contains("Usage"),
            "{message}"
        );
    }
}

#[test]
fn no_hint_leads_astray() {
    for arguments in [
        &["record", "ls"][..],
        &["record", "-x"],
        &["stat", "-a", "--buffer", "1M"],
        &["report", "x", "--foo"],
        &["stat", "-p", "1", "ls"],
        &["diff", "a", "b", "c"],
    ] {
        let message = refusal(arguments, 2);
        for misleading in ["as a value", "'--user'", "'--from'", "-p 1 -- ls"] {
            assert!(!message.contains(misleading), "{arguments:?}: {message}");
        }
    }
}

#[test]
fn without_arguments_the_help_is_shown_as_a_usage_error() {
    let message = refusal(&[], 2);
    assert!(
        message.contains("Usage: fault-trace <COMMAND>"),
        "{message}"
    );
}

#[test]
fn help_lists_the_commands_and_each_has_its_own() {
    let output = fault_trace(&["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for name in [
        "record", "stat", "trace", "report", "export", "diff", "explain", "doctor",
    ] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(name)),
            "{name}: {help}"
        );
        let own = fault_trace(&[name, "--help"]);
        assert!(own.status.success());
        let usage = format!("Usage: fault-trace {name}");
        assert!(text(&own.stdout).contains(&usage), "{own:?}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let output = fault_trace(&["--version"]);
    assert_eq!(
        text(&output.stdout),
        format!("fault-trace {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn what_is_no_recording_is_refused_with_the_reason() {
    let folder = tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let (missing, foreign, damaged, newer, file) = (
        path("missing"),
        path("foreign"),
        path("damaged"),
        path("newer"),
        path("file"),
    );
    for folder in [&foreign, &damaged, &newer] {
        fs::create_dir(folder).expect("made");
    }
    let manifest = |folder: &str, text: &str| {
        fs::write(format!("{folder}/recording.json"), text).expect("written");
    };
    manifest(&damaged, "{\"fault_trace.format\":");
    manifest(&newer, "{\"fault_trace.format\":4000000}");
    fs::write(&file, "").expect("written");
    for (path, reason) in [
        (&missing, "No such file"),
        (&foreign, "is not a recording of fault-trace"),
        (&damaged, "is damaged"),
        (&newer, "update fault-trace"),
        (&file, "is not a recording of fault-trace"),
    ] {
        let commands: [&[&str]; 4] = [
            &["report", path],
            &["report", path, "--by", "file"],
            &["export", path, "--to", "jsonl"],
            &["diff", path, path],
        ];
        for arguments in commands {
            let message = refusal(arguments, 1);
            assert!(message.contains(reason), "{arguments:?}: {message}");
            assert!(message.contains(path.as_str()), "{arguments:?}: {message}");
            assert_eq!(
                message.matches("os error").count(),
                usize::from(path == &missing),
                "said once: {message}"
            );
        }
    }
}

#[test]
fn a_recording_that_is_not_there_is_no_matter_of_its_parent() {
    let message = refusal(&["report", "nosuch"], 1);
    assert!(
        message.contains("nosuch") && message.contains("check the path"),
        "{message}"
    );
    assert!(!message.contains("parent"), "{message}");
}

/// Standard output and error that cannot be written, or are closed.
#[test]
fn streams_that_cannot_be_written_change_no_status() {
    let run = |redirections: &str, arguments: &str| {
        let line = format!(
            "'{}' {arguments} {redirections}",
            env!("CARGO_BIN_EXE_fault-trace")
        );
        let status = std::process::Command::new("sh")
            .args(["-c", &line])
            .status();
        status.expect("sh starts").code()
    };
    for error in ["2>/dev/full", "2>&-", ">&- 2>&-"] {
        assert_eq!(run(error, "report /nonexistent"), Some(1), "{error}");
        assert_eq!(run(error, "--nonsense"), Some(2), "{error}");
        let quiet = format!("{error} >/dev/null");
        assert_eq!(run(&quiet, "explain 6"), Some(0), "{error}");
        assert_eq!(run(&quiet, "explain zz"), Some(1), "{error}");
    }
    assert_eq!(run(">/dev/full 2>/dev/full", "explain 6"), Some(1));
    assert_eq!(run(">/dev/full 2>/dev/full", "--help"), Some(1));
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let line = format!(
        "'{}' explain 6 > /dev/full",
        env!("CARGO_BIN_EXE_fault-trace")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &line])
        .output()
        .expect("sh starts");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "fault-trace: cannot write to standard output: No space left on device (os error 28)\n"
    );
}

#[test]
fn a_hostile_path_is_shown_as_escapes() {
    let message = refusal(&["report", "no\x1b[2J\rsuch\u{9b}1m"], 1);
    assert!(message.contains(r"no\x1b[2J\rsuch\u{9b}1m"), "{message}");
    assert!(
        !message.trim_end().contains(char::is_control),
        "{message:?}"
    );
}

#[test]
fn an_error_code_is_explained() {
    for code in ["6", "0x6", "0b110", "error 6"] {
        let output = fault_trace(&["explain", code]);
        assert!(output.status.success(), "{output:?}");
        let explanation = text(&output.stdout);
        let claim = "A user-mode write to a page that was not present";
        assert!(explanation.starts_with(claim), "{explanation}");
    }
}

#[test]
fn a_line_of_the_kernels_log_is_explained_from_arguments_and_from_standard_input() {
    let line = "foo[123]: segfault at 10 ip 55d0c0de sp 7ffd0 error 6 in foo[55d0c000+1000]";
    let words: Vec<&str> = ["explain"].into_iter().chain(line.split(' ')).collect();
    let output = fault_trace(&words);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("SIGSEGV"), "{output:?}");
    let piped = command(&["explain", "-"])
        .write_stdin(line)
        .output()
        .expect("starts");
    assert_eq!(text(&piped.stdout), text(&output.stdout));

    let json = fault_trace(&["explain", "--json", line]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert!(value.is_object(), "{value}");
}

#[test]
fn a_hostile_name_in_the_log_is_shown_as_escapes() {
    let line =
        "\x1b[2Jfoo[1]: segfault at 10 ip 55d0c0de sp 7ffd0 error 6 in \x1b[2Jfoo[55d0c000+1000]";
    let output = command(&["explain", "-"])
        .write_stdin(line)
        .output()
        .expect("starts");
    let explanation = text(&output.stdout);
    assert!(explanation.contains(r"\x1b[2Jfoo"), "{explanation}");
    assert!(!explanation.contains('\x1b'), "{explanation:?}");
}

#[test]
fn what_cannot_be_explained_is_refused_with_what_can() {
    for input in ["zz", "", "0xffffffffffffffffffff"] {
        let message = refusal(&["explain", "--", input], 1);
        assert!(message.contains("segfault at"), "{input}: {message}");
    }
}

#[test]
fn the_doctor_answers_anybody_in_text_and_json() {
    let output = fault_trace(&["doctor"]);
    let status = output.status.code();
    assert!(status == Some(0) || status == Some(3), "{output:?}");
    assert!(text(&output.stdout).contains("kernel"), "{output:?}");
    let json = fault_trace(&["doctor", "--json"]);
    assert_eq!(json.status.code(), status);
    serde_json::from_slice::<serde_json::Value>(&json.stdout).expect("JSON");
}

#[test]
fn colour_is_for_terminals_alone() {
    for no_colour in [None, Some(""), Some("1")] {
        for arguments in [&["explain", "6"][..], &["doctor"], &["--help"], &["stat"]] {
            let mut command = command(arguments);
            command.env_remove("NO_COLOR");
            if let Some(value) = no_colour {
                command.env("NO_COLOR", value);
            }
            let output = command.output().expect("starts");
            let all = [output.stdout, output.stderr].concat();
            assert!(!all.contains(&0x1b), "{arguments:?}");
        }
    }
}

#[test]
fn a_small_stack_is_enough() {
    use std::os::unix::process::CommandExt as _;

    // What execve itself needs, and what the dynamic loader takes.
    const STACK_BYTES: u64 = 96 << 10;
    let folder = tempdir().expect("a folder");
    let nested = folder.path().join("nested.ftrace");
    fs::create_dir(&nested).expect("makes");
    let deep = "[".repeat(1 << 20);
    let description = format!("{{\"fault_trace.format\":1,\"run\":{deep}}}");
    fs::write(nested.join("recording.json"), description).expect("writes");
    let nested = nested.to_str().expect("text");
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--help"], 0, "report"),
        (&["explain", "6"], 0, "write"),
        (&["report", "--by", "colour", "x"], 2, "function"),
        (&["report", nested], 1, "is damaged"),
    ];
    for (arguments, status, expected) in cases {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fault-trace"));
        command.args(arguments).env_clear();
        let limit = || {
            let limit = libc::rlimit {
                rlim_cur: STACK_BYTES,
                rlim_max: STACK_BYTES,
            };
            // SAFETY: `limit` is valid, and setrlimit is async-signal-safe.
            let set = unsafe { libc::setrlimit(libc::RLIMIT_STACK, &raw const limit) };
            if set == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        };
        // SAFETY: the closure makes a system call only.
        unsafe { command.pre_exec(limit) };
        let output = command.output().expect("fault-trace starts");
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {output:?}"
        );
        let printed = [&output.stdout[..], &output.stderr[..]].concat();
        assert!(text(&printed).contains(expected), "{output:?}");
    }
}
