//! Programs that do what they can to the one who traces them: it ends in order, and misses nothing.

use std::process::{Command, Output};

use tempfile::tempdir;

use crate::{
    accounting::assert_kernel_agrees,
    support::{Report, fault_trace, is_root, jsonl, known_path, run, tells_residency, text},
};

use super::{harm_path, leftovers::Leftovers, user};

/// What `stat` counts, or what `record` records as well, of a command that `known` waits for.
fn traced(is_recording: bool, command: &[&str]) {
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let known = known_path();
    let known = [known.to_str().expect("text"), "run"];
    let start = match is_recording {
        true => &["record", "-o", path][..],
        false => &["stat"],
    };
    let output = run([start, &["--format", "json", "--"], &known, command].concat());
    let report = Report::of(&output);
    report.assert_balanced();
    assert_kernel_agrees(&report, &output);
    for name in ["unexplained", "open", "dropped"] {
        assert_eq!(report.accounting(name), 0, "{name}: {report:#?}");
    }
    if is_recording {
        let rows = jsonl(&recording).len() as i64;
        assert_eq!(rows, report.accounting("recorded"));
    }
}

/// Takes the steps while it is counted, then while it is recorded.
fn survived(steps: &[&str]) {
    if !is_root() {
        return;
    }
    let before = Leftovers::now();
    let harm = harm_path();
    let command = [&[harm.to_str().expect("text")], steps].concat();
    for is_recording in [false, true] {
        traced(is_recording, &command);
    }
    before.assert_none_since();
}

#[test]
fn a_program_that_takes_everything_from_itself_is_counted() {
    survived(&["oom", "limits", "closes", "touch:100"]);
}

#[test]
fn a_program_that_renames_itself_all_the_time_is_counted() {
    survived(&["names:20000", "touch:100"]);
}

#[test]
fn a_daemon_and_its_orphans_are_counted() {
    survived(&["session", "orphans:100", "touch:10"]);
}

#[test]
fn two_thousand_processes_at_once_are_counted() {
    survived(&["bomb:2000"]);
}

#[test]
fn a_chain_of_forks_is_counted() {
    survived(&["chain:100"]);
}

#[test]
fn threads_without_their_main_thread_are_counted() {
    survived(&["strays:8", "touch:10"]);
}

#[test]
fn a_thread_that_execs_while_others_fault_is_counted() {
    survived(&["usurper:100", "touch:10"]);
}

/// What a debugger writes into private pages of files is copied without an exception.
#[test]
fn what_a_debugger_copies_is_counted() {
    if !is_root() {
        return;
    }
    let (harm, known) = (harm_path(), known_path());
    let [harm, known] = [&harm, &known].map(|path| path.to_str().expect("text"));
    let start = ["stat", "--format", "json", "--", known, "run", harm];
    let output = run([&start[..], &["ptrace", "touch:10"]].concat());
    let report = Report::of(&output);
    report.assert_nothing_unexplained();
    assert_kernel_agrees(&report, &output);
    // The copied ones lie in the pages of the program that the child is stepped through.
    let copied = report.number("/accounting/gup_by/copied");
    assert!(
        (1..=4).contains(&copied) || !tells_residency(),
        "{report:#?}"
    );
    assert_eq!(report.accounting("open"), 0);
}

#[test]
fn thousands_of_execs_are_counted() {
    if !is_root() {
        return;
    }
    let harm = harm_path();
    let harm = harm.to_str().expect("text");
    traced(false, &[harm, "execs:5000", "touch:10"]);
    traced(true, &[harm, "execs:500", "touch:10"]);
}

#[test]
fn a_hundred_thousand_mappings_are_counted() {
    if !is_root() {
        return;
    }
    let harm = harm_path();
    let harm = harm.to_str().expect("text");
    traced(false, &[harm, "mappings:100000", "touch:10"]);
    traced(true, &[harm, "mappings:20000", "touch:10"]);
}

#[test]
fn everything_at_once_is_counted() {
    if !is_root() {
        return;
    }
    let harm = harm_path();
    let harm = harm.display();
    let script = format!(
        "for steps in bomb:200 'limits closes touch:50' names:5000 orphans:30 usurper:20 \
         mappings:5000 execs:50 strays:4 session; do {harm} $steps & all=\"$all $!\"; done; \
         for one in $all; do wait $one || exit 1; done"
    );
    for is_recording in [false, true] {
        traced(is_recording, &["sh", "-c", &script]);
    }
}

/// Children that are the tracer's own, by CLONE_PARENT: it reaps them, and keeps the command's status.
#[test]
fn children_that_become_the_tracers_are_counted() {
    if !is_root() {
        return;
    }
    let harm = harm_path();
    let harm = harm.to_str().expect("text");
    for command in ["stat", "trace"] {
        let output = run([command, "--", harm, "adopted:50", "touch:10"]);
        assert!(output.status.success(), "{output:?}");
    }
    let start = ["stat", "--format", "json", "--", harm];
    let report = Report::of_run(&[&start[..], &["adopted:50", "touch:10"]].concat());
    report.assert_nothing_unexplained();
    assert_eq!(report.processes().len(), 51);
    assert!(report.class("anon-alloc") >= 50 * 5);
}

/// Runs the program for a user behind sudo.
fn run_behind_sudo(user: &nix::unistd::User, arguments: &[&str]) -> Output {
    let mut command: Command = fault_trace();
    command
        .env("SUDO_UID", user.uid.to_string())
        .env("SUDO_GID", user.gid.to_string())
        .env("SUDO_USER", &user.name);
    command.args(arguments).output().expect("it starts")
}

#[test]
fn a_users_program_can_do_nothing_to_its_tracer() {
    let Some(user) = is_root().then(user::find).flatten() else {
        return;
    };
    let folder = user::shared_folder();
    let harm = user::copy(&harm_path(), folder.path());
    let harm = harm.to_str().expect("text");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    for start in [&["stat"][..], &["record", "-o", path], &["trace"]] {
        let json = match start[0] {
            "trace" => &[][..],
            _ => &["--format", "json"],
        };
        let command = ["--", harm, "signals", "touch:100", "signals"];
        let output = run_behind_sudo(&user, &[start, json, &command].concat());
        assert!(output.status.success(), "{output:?}");
        assert!(!text(&output.stderr).contains("harmed"), "{output:?}");
        if !json.is_empty() {
            let report = Report::of(&output);
            report.assert_nothing_unexplained();
            assert!(report.class("anon-alloc") >= 100);
        }
    }
    let rows = jsonl(&recording).len() as i64;
    let report = Report::of_run(&["report", "--format", "json", path]);
    assert_eq!(report.accounting("recorded"), rows);
    assert_eq!(report.0["complete"], true);
}
