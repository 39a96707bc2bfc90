//! What a recording knows of mappings while others change theirs, and of setuid programs.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use tempfile::tempdir;

use super::is_root;
use crate::support::{Known, Report, Tracer, faults_in, has, jsonl, known_path};

/// Changes the protection of a page again and again, a record each time.
const STORM: &str = "
import ctypes, mmap
libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 8192, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
start = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
size = ctypes.c_size_t(4096)
print('.', end='', flush=True)
while True:
    libc.mprotect(start, size, 1)
    libc.mprotect(start, size, 3)
";

/// Another process that changes its mappings.
struct Storm(Child);

impl Storm {
    fn start() -> Self {
        let mut child = Command::new("python3")
            .args(["-c", STORM])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut ready = [0];
        let stdout = child.stdout.as_mut().expect("piped");
        stdout.read_exact(&mut ready).expect("it has begun");
        Self(child)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets the rings of a reader that does not read be filled by others.
fn starve(tracer: &Tracer) {
    tracer.signal(Signal::SIGSTOP);
    // Some hundred thousand changes; the rings of the machine hold a few thousand.
    thread::sleep(Duration::from_millis(1500));
    tracer.signal(Signal::SIGCONT);
}

fn assert_all_known(report: &Report, recording: &std::path::Path, pages: usize) {
    report.assert_nothing_unexplained();
    let faults = jsonl(recording);
    let at_pages = faults_in(&faults, pages);
    assert_eq!(at_pages.len(), pages);
    for (page, fault) in at_pages {
        assert_eq!(fault["mapping"], "[anon]", "page {page}: {fault:#}");
    }
}

#[test]
fn a_storm_of_others_loses_nothing_of_an_attached_process() {
    if !is_root() || !has("python3") {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let _storm = Storm::start();
    let mut known = Known::waiting(&["wait", "touch:500", "threads:2:50", "touch:100"]);
    let pid = known.pid().to_string();
    let tracer = Tracer::attached(["record", "--format", "json", "-o", path, "-p", &pid]);
    starve(&tracer);
    known.go_on();
    known.until("ready");
    starve(&tracer);
    known.go_on();
    assert!(known.ended().success());
    assert_all_known(&tracer.report(), &recording, 700);
}

#[test]
fn a_storm_of_others_loses_nothing_of_a_launched_command() {
    if !is_root() || !has("python3") {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let _storm = Storm::start();
    let known = known_path();
    let known = known.to_str().expect("text");
    let script = format!("sleep 0.5; {known} touch:500; sleep 3; exec {known} touch:1");
    let arguments = ["record", "--format", "json", "-o", path, "--", "sh", "-c"];
    let tracer = Tracer::attached([&arguments[..], &[&script]].concat());
    starve(&tracer);
    let report = tracer.report();
    report.assert_nothing_unexplained();
    let faults = jsonl(&recording);
    let at_pages = faults_in(&faults, 500);
    assert_eq!(at_pages.len(), 501);
    let known = |fault: &serde_json::Value| fault["mapping"] == "[anon]";
    assert!(at_pages.iter().all(|(_, fault)| known(fault)));
}

#[test]
fn the_mappings_of_setuid_programs_and_of_what_they_fork_are_known() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let everyone = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), everyone).expect("ours");
    let recording = folder.path().join("r.ftrace");
    let setuid = folder.path().join("setuid");
    fs::copy(known_path(), &setuid).expect("copied");
    fs::set_permissions(&setuid, fs::Permissions::from_mode(0o4755)).expect("ours");
    let known = known_path();
    let (known, path, setuid) = (
        known.to_str().expect("text"),
        recording.to_str().expect("text"),
        setuid.to_str().expect("text"),
    );
    let report = Report::of_run(&[
        "record",
        "--format",
        "json",
        "-o",
        path,
        "--",
        known,
        "user:65534",
        "run",
        setuid,
        "touch:40",
        "forks:2:30",
        "touch:10",
    ]);
    report.assert_nothing_unexplained();
    let faults = jsonl(&recording);
    let at_pages = faults_in(&faults, 80);
    assert_eq!(at_pages.len(), 40 + 2 * 30 + 10);
    for (page, fault) in at_pages {
        assert_eq!(fault["mapping"], "[anon]", "page {page}: {fault:#}");
        assert_eq!(fault["comm"], "setuid");
    }
}

/// When told, changes the protection of a page 20,000 times and says so; ends when told again.
const OWN_STORM: &str = "
import ctypes, mmap, os, sys
# The kernel tells of a loss with the next record of the same CPU.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
libc = ctypes.CDLL(None)
memory = mmap.mmap(-1, 8192, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
start = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
size = ctypes.c_size_t(4096)
sys.stdin.readline()
for _ in range(10000):
    libc.mprotect(start, size, 1)
    libc.mprotect(start, size, 3)
print('.', end='', flush=True)
sys.stdin.readline()
";

/// How many of the mapping changes of a traced process itself are lost while nobody reads.
fn lost_of_own(buffer: &str) -> i64 {
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let mut child = Command::new("python3")
        .args(["-c", OWN_STORM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let pid = child.id().to_string();
    let start = ["record", "--format", "json", "--buffer", buffer, "-o", path];
    let tracer = Tracer::attached([&start[..], &["-p", &pid]].concat());
    let mut stdin = child.stdin.take().expect("piped");
    tracer.signal(Signal::SIGSTOP);
    stdin.write_all(b"\n").expect("read");
    let mut done = [0];
    let stdout = child.stdout.as_mut().expect("piped");
    stdout.read_exact(&mut done).expect("it is done");
    tracer.signal(Signal::SIGCONT);
    stdin.write_all(b"\n").expect("read");
    drop(stdin);
    child.wait().expect("a child");
    let report = tracer.report();
    report.assert_balanced();
    let lost = &report.0["losses"]["mapping_records_lost"];
    lost.as_i64().unwrap_or(0)
}

#[test]
fn what_a_process_loses_itself_is_counted_and_a_larger_buffer_keeps_it() {
    if !is_root() || !has("python3") {
        return;
    }
    // 20,000 records are more than 64 KiB and less than 8 MiB.
    assert!(lost_of_own("1M") > 10_000);
    assert_eq!(lost_of_own("256M"), 0);
}

#[test]
fn more_threads_than_events_are_traced_with_the_machines_records() {
    if !is_root() {
        return;
    }
    let known = Known::waiting(&["threads:2200:1", "touch:1"]);
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let pid = known.pid().to_string();
    let tracer = Tracer::attached(["record", "--format", "json", "-o", path, "-p", &pid]);
    known.finish();
    let report = tracer.report();
    report.assert_balanced();
    assert_eq!(report.accounting("unexplained"), 0, "{report:#?}");
    assert_eq!(faults_in(&jsonl(&recording), 2201).len(), 2201);
    // With one CPU there would be room.
    if super::online_cpus().len() > 1 {
        let notes = report.0["notes"].to_string();
        let said = "mapping changes are read of the whole machine";
        assert!(notes.contains(said), "{notes}");
    }
}
