//! What a tracer could leave behind in the kernel, or as processes.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{has, wait_until};

/// What there is at a moment.
pub(super) struct Leftovers {
    /// Tracing programs and links by kind and id; `None` where nobody lists them.
    bpf: Option<BTreeSet<(&'static str, u64)>>,
    /// Open perf events, as links in /proc.
    perf_events: BTreeSet<PathBuf>,
    /// Processes of the program.
    processes: BTreeSet<PathBuf>,
}

impl Leftovers {
    pub(super) fn now() -> Self {
        Self::taken(has("bpftool"))
    }

    fn taken(lists_bpf: bool) -> Self {
        Self {
            bpf: lists_bpf.then(|| {
                let programs = listed("prog", &["raw_tracepoint", "perf_event", "tracing"]);
                let links = listed("link", &["raw_tracepoint", "perf_event", "tracing"]);
                programs.into_iter().chain(links).collect()
            }),
            perf_events: processes()
                .filter_map(|process| fs::read_dir(process.join("fd")).ok())
                .flat_map(Iterator::flatten)
                .map(|descriptor| descriptor.path())
                .filter(|path| {
                    fs::read_link(path).is_ok_and(|file| file.ends_with("anon_inode:[perf_event]"))
                })
                .collect(),
            processes: processes()
                .filter(|process| {
                    let program = fs::read_link(process.join("exe"));
                    program.is_ok_and(|program| {
                        program == Path::new(env!("CARGO_BIN_EXE_fault-trace"))
                    })
                })
                .collect(),
        }
    }

    /// Waits until nothing is there that was not there then: the kernel frees things a little later.
    pub(super) fn assert_none_since(&self) {
        let mut found = String::new();
        wait_until("the tracer leaves nothing behind", || {
            let now = Self::taken(self.bpf.is_some());
            let is_same = match (&self.bpf, &now.bpf) {
                (Some(before), Some(now)) => now.is_subset(before),
                _ => true,
            } && now.perf_events.is_subset(&self.perf_events)
                && now.processes.is_subset(&self.processes);
            let new = |before: &BTreeSet<PathBuf>, now: &BTreeSet<PathBuf>| {
                format!("{:?}", now.difference(before).collect::<Vec<_>>())
            };
            let last = [
                new(&self.perf_events, &now.perf_events),
                new(&self.processes, &now.processes),
            ]
            .join(" ");
            if !is_same && last != found {
                found = last;
                eprintln!("still there: {found}");
            }
            is_same
        });
    }
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir("/proc").expect("mounted").flatten();
    let is_process = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        name.to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    entries.filter(is_process).map(|entry| entry.path())
}

/// All programs or links of these types.
fn listed(kind: &'static str, types: &[&str]) -> BTreeSet<(&'static str, u64)> {
    let output = Command::new("bpftool")
        .args([kind, "list", "-j"])
        .output()
        .expect("bpftool runs");
    assert!(output.status.success(), "{output:?}");
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let is_wanted =
        |one: &&serde_json::Value| one["type"].as_str().is_none_or(|its| types.contains(&its));
    let all = all.as_array().expect("a list").iter();
    all.filter(is_wanted)
        .filter_map(|one| Some((kind, one["id"].as_u64()?)))
        .collect()
}
