//! Descendants of what is traced: those that live already, and those that outlive their ancestors.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::{
    Report, Tracer, fault_trace, faults_in, is_root, jsonl, known_path, run, text, wait_until,
};

/// Shell commands each of which becomes `known` when told to.
struct Waiting {
    folder: TempDir,
}

impl Waiting {
    fn new() -> Self {
        let folder = tempdir().expect("a folder");
        Self { folder }
    }

    fn gate(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command for a shell: waits to be told, then becomes `known` with a step.
    fn command(&self, name: &str, step: &str) -> String {
        let gate = self.gate(name);
        mkfifo(&gate, Mode::S_IRWXU).expect("a pipe with a name");
        let (gate, known) = (gate.display(), known_path());
        format!("(read go < {gate}; exec {} {step})", known.display())
    }

    /// Lets a command go on; waits until it waits.
    fn go(&self, name: &str) {
        let gate = OpenOptions::new().write(true).open(self.gate(name));
        gate.expect("opened by the command")
            .write_all(b"\n")
            .expect("read by the command");
    }

    fn recording(&self) -> PathBuf {
        self.folder.path().join("r.ftrace")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Whoever still waits, after a failure, reads the end of the pipe and goes on to its end.
        for gate in fs::read_dir(self.folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            if gate.file_type().is_ok_and(|kind| kind.is_fifo()) {
                let both_ends = OpenOptions::new().read(true).write(true).open(gate.path());
                drop(both_ends);
            }
        }
    }
}

/// A shell that is gone at the latest when this is.
struct Shell(Child);

impl Shell {
    fn start(script: &str) -> Self {
        let child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .spawn();
        Self(child.expect("a shell"))
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// How many of its descendants live, by /proc.
    fn descendants(&self) -> usize {
        fn of(pid: u32) -> usize {
            let children = fs::read_dir("/proc").expect("/proc").filter_map(|entry| {
                let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
                let (_, rest) = stat.rsplit_once(") ")?;
                let parent: u32 = rest.split(' ').nth(1)?.parse().ok()?;
                Some((parent, pid))
            });
            let own = children.filter(|(parent, _)| *parent == pid);
            own.map(|(_, child)| 1 + of(child)).sum()
        }
        of(self.0.id())
    }

    fn wait_for(&self, descendants: usize) {
        wait_until("its descendants", || self.descendants() == descendants);
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The pages of `known` that were faulted on, a number per process.
fn pages(recording: &Path) -> Vec<usize> {
    let faults = jsonl(recording);
    let mut counts = std::collections::BTreeMap::new();
    for (_, fault) in faults_in(&faults, 10_000) {
        *counts.entry(fault["pid"].as_u64()).or_insert(0) += 1;
    }
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable();
    counts
}

fn start<'a>(recording: &'a Path, arguments: &[&'a str]) -> Vec<&'a str> {
    let path = recording.to_str().expect("text");
    [&["record", "--format", "json", "-o", path][..], arguments].concat()
}

fn has_note(report: &Report, words: &str) -> bool {
    let notes = report.0["notes"].as_array().expect("a list");
    notes
        .iter()
        .filter_map(Value::as_str)
        .any(|note| note.contains(words))
}

#[test]
fn living_children_and_grandchildren_of_a_process_are_traced() {
    if !is_root() {
        return;
    }
    let waiting = Waiting::new();
    let one = waiting.command("one", "touch:70");
    let other = waiting.command("other", "forks:2:30");
    let shell = Shell::start(&format!("({one} & wait) & {other} & wait"));
    shell.wait_for(3);
    let recording = waiting.recording();
    let tracer = Tracer::attached(start(&recording, &["-p", &shell.pid()]));
    waiting.go("one");
    waiting.go("other");
    let report = tracer.report();
    // By the kernel's own counters of each.
    report.assert_nothing_unexplained();
    assert_eq!(pages(&recording), [30, 30, 70]);
    for process in report.processes() {
        assert!(process["kernel"]["minor"].as_u64() > Some(0), "{process:#}");
    }
}

#[test]
fn children_are_left_out_on_request_and_that_is_said() {
    if !is_root() {
        return;
    }
    let waiting = Waiting::new();
    let child = waiting.command("child", "touch:70");
    let later = known_path();
    let gate = waiting.gate("parent");
    mkfifo(&gate, Mode::S_IRWXU).expect("a pipe with a name");
    let shell = Shell::start(&format!(
        "{child} & read go < {}; {} touch:40; wait",
        gate.display(),
        later.display()
    ));
    shell.wait_for(1);
    let recording = waiting.recording();
    let tracer = Tracer::attached(start(&recording, &["--no-children", "-p", &shell.pid()]));
    waiting.go("parent");
    waiting.go("child");
    let output = tracer.output();
    let said = "1 living child process is not traced, nor is what it forks";
    assert!(text(&output.stderr).contains(said), "{output:?}");
    let report = Report::of(&output);
    report.assert_nothing_unexplained();
    assert!(has_note(&report, said), "{:#}", report.0["notes"]);
    assert_eq!(report.processes().len(), 1);
    assert_eq!(pages(&recording), [0; 0]);
}

#[test]
fn a_shell_that_starts_the_tracer_can_be_traced_without_it() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let out = folder.path().join("out.json");
    let script = format!(
        "{} stat --format json -o {} --duration 300ms -p $$",
        env!("CARGO_BIN_EXE_fault-trace"),
        out.display()
    );
    let status = Command::new("sh")
        .args(["-c", &format!("{script}; exit $?")])
        .status();
    assert!(status.expect("a shell").success());
    let json = fs::read(&out).expect("the totals");
    let report = Report(serde_json::from_slice(&json).expect("JSON"));
    report.assert_balanced();
    let traced = report.processes().iter();
    let names: Vec<_> = traced.map(|process| &process["comm"]).collect();
    assert!(names.iter().all(|name| **name == "sh"), "{names:?}");
}

/// A command that ends at once with status 7, and leaves a process behind.
fn launcher(waiting: &Waiting) -> String {
    let child = waiting.command("child", "touch:60");
    format!("exec >/dev/null 2>&1; {child} & exit 7")
}

#[test]
fn what_outlives_the_command_is_said() {
    if !is_root() {
        return;
    }
    let waiting = Waiting::new();
    let script = launcher(&waiting);
    let recording = waiting.recording();
    let output = run(start(&recording, &["--", "sh", "-c", &script]));
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let said = "1 process started by the command still runs, untraced since the end of the command";
    assert!(text(&output.stderr).contains(said), "{output:?}");
    let report = Report::printed(&output);
    report.assert_nothing_unexplained();
    assert!(has_note(&report, said), "{:#}", report.0["notes"]);
    waiting.go("child");
    assert_eq!(pages(&recording), [0; 0]);
}

#[test]
fn what_outlives_the_command_is_traced_to_its_end_on_request() {
    if !is_root() {
        return;
    }
    for wait in [&["--wait"][..], &["--duration", "100s"]] {
        let waiting = Waiting::new();
        let script = launcher(&waiting);
        let recording = waiting.recording();
        let arguments = [wait, &["--", "sh", "-c", &script]].concat();
        let tracer = Tracer::attached(start(&recording, &arguments));
        waiting.go("child");
        let output = tracer.output();
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        let report = Report::printed(&output);
        report.assert_nothing_unexplained();
        assert_eq!(report.0["notes"], serde_json::json!([]));
        assert_eq!(report.0["accounting"]["kernel"]["source"], "rusage");
        assert_eq!(pages(&recording), [60]);
    }
}

#[test]
fn what_outlives_its_ancestors_is_traced_although_another_took_it_in() {
    if !is_root() {
        return;
    }
    // Twice forked and in a session of its own, as daemons are.
    let waiting = Waiting::new();
    let child = waiting.command("child", "touch:60");
    let script = format!("exec >/dev/null 2>&1; (setsid sh -c '{child} & exit' &) ; exit 0");
    let recording = waiting.recording();
    let tracer = Tracer::attached(start(&recording, &["--wait", "--", "sh", "-c", &script]));
    waiting.go("child");
    let report = tracer.report();
    report.assert_nothing_unexplained();
    assert_eq!(pages(&recording), [60]);
}

#[test]
fn the_time_ends_the_wait() {
    if !is_root() {
        return;
    }
    let waiting = Waiting::new();
    let script = launcher(&waiting);
    let arguments = ["stat", "--format", "json", "--duration", "300ms", "--"];
    let output = run([&arguments[..], &["sh", "-c", &script]].concat());
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let said = "1 process started by the command still runs, now untraced";
    assert!(text(&output.stderr).contains(said), "{output:?}");
    let report = Report::printed(&output);
    report.assert_nothing_unexplained();
    assert!(report.number("/duration_ns") >= 300_000_000);
    waiting.go("child");
}

#[test]
fn an_interrupt_ends_the_wait() {
    if !is_root() {
        return;
    }
    let waiting = Waiting::new();
    let child = waiting.command("child", "touch:60");
    let left = waiting.gate("left");
    let script = format!(
        "exec >/dev/null 2>&1; {child} & echo $! > {}; exit 7",
        left.display()
    );
    let arguments = ["stat", "--wait", "--format", "json", "--", "sh", "-c"];
    let tracer = Tracer::attached([&arguments[..], &[&script]].concat());
    let parent = format!("PPid:\t{}\n", tracer.pid());
    wait_until("the command has left its child to the tracer", || {
        let pid = fs::read_to_string(&left).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{}/status", pid.trim()));
        status.is_ok_and(|status| status.contains(&parent))
    });
    tracer.signal(Signal::SIGINT);
    let output = tracer.output();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    Report::printed(&output).assert_balanced();
    waiting.go("child");
}

#[test]
fn a_process_that_waits_to_be_reaped_is_refused() {
    if !is_root() {
        return;
    }
    let mut child = Command::new("true").spawn().expect("starts");
    let pid = child.id();
    wait_until("it has exited", || {
        crate::support::state_of(pid) == Some('Z')
    });
    let output = run(["stat", "-p", &pid.to_string()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text(&output.stderr).contains(&format!("process {pid} has exited already")),
        "{output:?}"
    );
    child.wait().expect("a child");
}

#[test]
fn a_thread_of_the_kernel_and_a_thread_of_a_process_are_told_from_processes() {
    if !is_root() {
        return;
    }
    let output = run(["stat", "-p", "2"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text(&output.stderr).contains("process 2 is a thread of the kernel"),
        "{output:?}"
    );
    let tid = nix::unistd::gettid().as_raw().to_string();
    let output = fault_trace().args(["stat", "-p", &tid]).output();
    let output = output.expect("fault-trace starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let own = std::process::id();
    let said = format!("{tid} is a thread of process {own}; trace that thread with --tid {tid}");
    assert!(text(&output.stderr).contains(&said), "{output:?}");
}
