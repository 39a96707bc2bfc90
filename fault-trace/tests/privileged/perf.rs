//! perf counts the same faults by itself.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::support::{Known, Tracer, has, is_root};

#[test]
fn perf_counts_as_many_ends() {
    if !is_root() || !has("perf") {
        return;
    }
    let folder = tempdir().expect("a folder");
    let counted = folder.path().join("perf.csv");
    let mut known = Known::waiting(&["wait", "touch:700", "forks:20:30", "wait"]);
    let pid = known.pid().to_string();
    let tracer = Tracer::attached(["stat", "--format", "json", "-p", &pid]);
    let perf = Perf::counting(&counted, &pid);
    known.go_on();
    known.until("ready");
    perf.stop();
    tracer.signal(Signal::SIGINT);
    let report = tracer.report();
    report.assert_nothing_unexplained();
    let counted = fs::read_to_string(&counted).expect("perf wrote it");
    let of = |event: &str| -> i64 {
        let line = counted.lines().find(|line| line.contains(event));
        let line = line.unwrap_or_else(|| panic!("no {event}: {counted}"));
        let count = line.split(',').next().and_then(|count| count.parse().ok());
        count.expect("a count")
    };
    let all = of("minor-faults") + of("major-faults");
    assert_eq!(all, report.accounting("ended"));
    assert_eq!(of("major-faults"), report.number("/total/major"));
}

/// A running `perf stat` of another process. It counts for as long as the command that it launched
/// runs, and that ends with its input.
struct Perf(Child);

impl Perf {
    /// Starts it, and waits until it counts.
    fn counting(output: &Path, pid: &str) -> Self {
        let mut perf = Command::new("perf")
            .args([
                "stat",
                "-x,",
                "-e",
                "minor-faults,major-faults",
                "-p",
                pid,
                "-o",
            ])
            .arg(output)
            .args(["--", "sh", "-c", "echo counting; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("perf starts");
        let mut line = String::new();
        let stdout = perf.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("text");
        assert_eq!(line, "counting\n");
        Self(perf)
    }

    fn stop(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("a child").success());
    }
}
