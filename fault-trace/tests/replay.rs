//! Real runs, replayed through the whole pipeline without root: from the bytes that the kernel sent to
//! the very recording that the run made.

mod journal;

use std::{fs, path::Path};

use fault_trace::recording::Recording;
use tempfile::tempdir;

use journal::{
    Journal, fixture,
    replay::{assert_same, replay},
};

/// Replays a run. Returns the number of its faults.
fn faults_of(name: &str) -> usize {
    let folder = tempdir().expect("a folder");
    let replayed = folder.path().join("replayed.ftrace");
    let (journal, recording) = fixture(name);
    let journal = fs::read(journal).expect("a journal");
    replay(Journal::from_bytes(&journal), &replayed);
    assert_same(&replayed, &recording);
    count(&replayed)
}

fn count(recording: &Path) -> usize {
    let recording = Recording::open(recording).expect("a recording");
    recording.faults().count()
}

#[test]
fn commands_threads_and_forks() {
    assert!(faults_of("commands") > 100);
}

#[test]
fn calls_by_frame_pointers() {
    assert!(faults_of("frame-pointers") > 50);
}

#[test]
fn calls_by_copies_of_stacks() {
    assert!(faults_of("copies") > 20);
}

#[test]
fn faults_of_some_classes_with_names_as_they_come() {
    assert!(faults_of("live-names") > 20);
}
