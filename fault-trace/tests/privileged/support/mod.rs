//! What the tests share: running the program, running what it traces, reading its JSON.

mod cgroup;
mod known;
mod report;
mod tracer;

use std::{
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use nix::unistd::geteuid;

pub(crate) use cgroup::{Cgroup, MemoryCgroup};
pub(crate) use known::{Known, START, known_path, lab, range};
pub(crate) use report::{Report, faults_in, jsonl};
pub(crate) use tracer::{Tracer, fault_trace, run, text};

/// Longer than anything takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether there is the privilege to trace; said where nobody can miss it if not.
pub(crate) fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        skip("tracing needs root");
    }
    root
}

/// Says that (a part of) a test is skipped, and why: even without --nocapture.
pub(crate) fn skip(why: &str) {
    let test = thread::current();
    let test = test.name().unwrap_or("a test");
    // Without standard error there is nobody to tell.
    let _ = writeln!(io::stderr(), "SKIPPED, NOT TESTED: {test}: {why}");
}

/// Whether a command that a test wants exists; said if not.
pub(crate) fn has(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(command).is_file());
    if !found {
        skip(&format!("there is no {command}"));
    }
    found
}

/// Whether the kernel tells at each fault which pages became resident: since 6.6.
pub(crate) fn tells_residency() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("text");
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    let mut number = || numbers.next().and_then(Result::ok);
    (number(), number()) >= (Some(6), Some(6))
}

/// Waits for something that must come.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never came: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The state letter of a process in /proc, as in `S` for asleep; `None` if it is gone.
pub(crate) fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(") ")?;
    after_name.chars().next()
}

/// The processes that open files for a tracer under test; they are no children of it. Tests run one at a
/// time.
pub(crate) fn openers() -> Vec<u32> {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_fault-trace"));
    let processes = std::fs::read_dir("/proc")
        .expect("/proc is mounted")
        .flatten();
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let is_ours = std::fs::read_link(format!("/proc/{pid}/exe"));
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            is_ours.is_ok_and(|exe| exe == program)
                && String::from_utf8_lossy(&arguments).contains("--fault-trace-opener")
        })
        .collect()
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten();
    let lists = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let list: String = lists.collect();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
