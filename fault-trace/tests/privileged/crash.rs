//! The tracer's sudden death: nothing stays attached, and the recording can be read.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use nix::sys::signal::Signal;
use tempfile::tempdir;

use crate::support::{
    Known, Report, Tracer, faults_in, has, is_root, jsonl, run, text, wait_until,
};

#[test]
fn after_the_tracers_sudden_death_its_recording_opens_and_nothing_stays_attached() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    let path = recording.to_str().expect("text");
    let mut known = Known::waiting(&["wait", "touch:600", "wait", "touch:400", "wait"]);
    let pid = known.pid().to_string();
    let tracer = Tracer::attached(["record", "-o", path, "-p", &pid]);
    known.go_on();
    known.until("ready");
    // A segment is finished every few seconds.
    wait_until("a segment is finished", || {
        recording.join("faults/part-00000.parquet").exists() && counts_until_now(&recording)
    });
    known.go_on();
    known.until("ready");
    let programs = Programs::of(tracer.pid());
    tracer.signal(Signal::SIGKILL);
    let output = tracer.output();
    assert_eq!(output.status.code(), None);

    assert!(known.is_alive());
    known.finish();
    programs.assert_gone();

    let text_report = run(["report", path]);
    assert!(text_report.status.success(), "{text_report:?}");
    assert!(
        text(&text_report.stdout).contains("incomplete"),
        "{text_report:?}"
    );
    let report = Report::of_run(&["report", "--format", "json", path]);
    assert_eq!(report.0["complete"], false);
    assert!(!report.0["notes"].as_array().expect("a list").is_empty());
    // The first part is whole; of the second, nothing or all may be there.
    let ours = jsonl(&recording);
    let ours = faults_in(&ours, 1000);
    let pages: BTreeSet<usize> = ours.iter().map(|(page, _)| *page).collect();
    assert_eq!(pages.len(), ours.len(), "no fault twice");
    assert!((0..600).all(|page| pages.contains(&page)));
}

/// Whether the recording's totals hold the first faults.
fn counts_until_now(recording: &Path) -> bool {
    let path = recording.to_str().expect("text");
    Report::of_run(&["report", "--format", "json", path]).class("anon-alloc") >= 600
}

/// The eBPF programs and links that a process holds.
struct Programs {
    programs: BTreeSet<u64>,
    links: BTreeSet<u64>,
}

impl Programs {
    fn of(pid: u32) -> Self {
        let ids = |key: &str| -> BTreeSet<u64> {
            let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("it is alive");
            files
                .flatten()
                .filter_map(|file| fs::read_to_string(file.path()).ok())
                .filter_map(|info| {
                    let line = info.lines().find_map(|line| line.strip_prefix(key));
                    line?.trim().parse().ok()
                })
                .collect()
        };
        let all = Self {
            programs: ids("prog_id:"),
            links: ids("link_id:"),
        };
        assert!(all.programs.len() > 10 && all.links.len() > 10);
        all
    }

    /// Waits until the kernel has none of them any more: it frees them a little later.
    fn assert_gone(&self) {
        if !has("bpftool") {
            return;
        }
        wait_until("the kernel lets go of the programs and links", || {
            listed("prog").is_disjoint(&self.programs) && listed("link").is_disjoint(&self.links)
        });
    }
}

/// The ids of all programs or links of the machine.
fn listed(kind: &str) -> BTreeSet<u64> {
    let output = Command::new("bpftool")
        .args([kind, "list", "-j"])
        .output()
        .expect("bpftool runs");
    assert!(output.status.success(), "{output:?}");
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let all = all.as_array().expect("a list");
    all.iter().filter_map(|one| one["id"].as_u64()).collect()
}
