//! Real runs whose ports are written down, and replayed at once: what is decided of a fault depends on
//! nothing else. With `FAULT_TRACE_FIXTURES=write` they become the fixtures of `tests/replay.rs`.

#[path = "../../journal/mod.rs"]
mod journal;
mod keep;
mod live;

use std::{fs, path::Path};

use fault_trace::options::CallGraph;
use fault_trace_common::{Class, wire::ALL_CLASSES};
use tempfile::tempdir;

use self::{
    journal::{
        Journal, fixture,
        replay::{assert_same, replay},
    },
    live::Scenario,
};
use super::is_root;
use crate::support::known_path;

/// Runs a scenario and replays it.
fn check(name: &str, scenario: Scenario) {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let program = folder.path().join("known");
    fs::copy(known_path(), &program).expect("it is copied");
    let recording = folder.path().join("live.ftrace");
    let journal = keep::to_bytes(&live::run(&scenario, &program, &recording));
    let replayed = folder.path().join("replayed.ftrace");
    replay(Journal::from_bytes(&journal), &replayed);
    assert_same(&replayed, &recording);
    if std::env::var_os("FAULT_TRACE_FIXTURES").is_some_and(|what| what == "write") {
        let (kept_journal, kept_recording) = fixture(name);
        copy_folder(&recording, &kept_recording);
        fs::write(kept_journal, journal).expect("it is written");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    // Whatever was there is of another run.
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("it is copied");
        }
    }
}

const PLAIN: Scenario = Scenario {
    steps: &[],
    stacks: None,
    wanted: ALL_CLASSES,
    names_live: false,
};

#[test]
fn a_replay_of_commands_threads_and_forks_gives_the_same_recording() {
    check(
        "commands",
        Scenario {
            steps: &["touch:40 forks:2:5 threads:2:5 efault:2", "touch:3"],
            ..PLAIN
        },
    );
}

#[test]
fn a_replay_of_calls_by_frame_pointers_gives_the_same_recording() {
    check(
        "frame-pointers",
        Scenario {
            steps: &["touch:20 threads:2:5"],
            stacks: Some(CallGraph::FramePointers),
            ..PLAIN
        },
    );
}

#[test]
fn a_replay_of_calls_by_copies_of_stacks_gives_the_same_recording() {
    check(
        "copies",
        Scenario {
            steps: &["touch:10"],
            stacks: Some(CallGraph::Dwarf),
            ..PLAIN
        },
    );
}

#[test]
fn a_replay_with_names_as_they_come_gives_the_same_recording() {
    check(
        "live-names",
        Scenario {
            steps: &["touch:20 forks:1:5"],
            wanted: Class::AnonAlloc.bit() | Class::StackGrowth.bit() | Class::CowAnon.bit(),
            names_live: true,
            ..PLAIN
        },
    );
}
