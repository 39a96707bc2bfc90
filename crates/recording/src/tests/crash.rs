//! What is left when the tracer dies or the disk fills up.

use std::{fs, path::Path, process::Command};

use nix::sys::{
    resource::{Resource, setrlimit},
    signal::{SigHandler, Signal, signal},
};

use super::{fault, place, run, running};
use crate::{Recording, RecordingError, RecordingWriter, WriterThread};
use fault_trace_model::{Batch, Event};

#[test]
fn a_crash_costs_the_open_segment_only_and_is_noticed() {
    let (_directory, path) = place();
    let mut writer = RecordingWriter::create(&path, false, &running()).expect("creates");
    for n in 0..100 {
        writer.push_fault(&fault(n)).expect("pushes");
    }
    writer.roll().expect("rolls");
    // Enough for a batch, so that the next segment has been begun.
    for n in 100..10_000 {
        writer.push_fault(&fault(n)).expect("pushes");
    }
    drop(writer);

    let recording = Recording::open(&path).expect("opens");
    let completeness = &recording.completeness;
    assert!(!completeness.complete);
    assert!(!recording.is_whole());
    assert_eq!((completeness.segments, completeness.fault_rows), (1, 100));
    assert_eq!(completeness.counted_until_ns, running().stopped_ns);
    assert_eq!(
        completeness.unfinished,
        [path.join("faults/part-00001.parquet.tmp")]
    );
    let faults: Result<Vec<_>, _> = recording.faults().collect();
    assert_eq!(
        faults.expect("reads"),
        (0..100).map(fault).collect::<Vec<_>>()
    );
}

#[test]
fn a_checkpoint_replaces_what_is_known_of_the_run() {
    let (_directory, path) = place();
    let writer = RecordingWriter::create(&path, false, &running()).expect("creates");
    let mut later = running();
    (later.stopped_ns, later.totals.counts.recorded) = (99, 5);
    writer.checkpoint(&later).expect("writes");
    drop(writer);
    let recording = Recording::open(&path).expect("opens");
    assert_eq!(recording.run, later);
    assert_eq!(recording.completeness.counted_until_ns, 99);
}

/// Set in the child of the next test: where it records.
const CHILD: &str = "FAULT_TRACE_TEST_CHILD";

/// A limit on the size of files stands in for a full disk: both fail in the same write.
#[test]
fn a_write_that_fails_names_its_remedy_and_spares_what_was_finished() {
    if let Some(path) = std::env::var_os(CHILD) {
        return record_until_a_write_fails(Path::new(&path));
    }
    let (_directory, path) = place();
    let name = "tests::crash::a_write_that_fails_names_its_remedy_and_spares_what_was_finished";
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", name])
        .env(CHILD, &path)
        .output()
        .expect("starts");
    assert!(child.status.success(), "{child:?}");

    let recording = Recording::open(&path).expect("opens");
    assert!(!recording.completeness.complete);
    assert_eq!(recording.completeness.unfinished, Vec::<&Path>::new());
    assert_eq!(recording.faults().filter(Result::is_ok).count(), 1000);
    assert_eq!(recording.run.totals.counts.recorded, 201_000);
}

fn record_until_a_write_fails(path: &Path) {
    // SAFETY: no handler is installed.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.expect("ignores");
    setrlimit(Resource::RLIMIT_FSIZE, 100_000, 100_000).expect("limits");

    let writer = RecordingWriter::create(path, false, &running()).expect("creates");
    let mut thread = WriterThread::spawn(writer).expect("spawns");
    thread
        .send(&mut (0..1000).map(fault).map(Event::Fault).collect())
        .expect("sends");
    thread.roll().expect("sends");
    // Scattered, so that they do not compress.
    let scattered = (0..200_000_u64).map(|n| {
        let mut fault = fault(n);
        fault.address = n
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(n as u32 % 61);
        Event::Fault(fault)
    });
    thread.send(&mut scattered.collect()).expect("sends");
    thread.roll().expect("sends");
    // More than fit into the queue: the thread has come to the failing write before the last.
    let error = (0..1000).find_map(|_| thread.send(&mut Batch::default()).err());
    let error = error.expect("the thread has failed");
    let message = error.to_string();
    assert!(
        message.contains("faults/part-00001.parquet.tmp"),
        "{message}"
    );
    assert!(message.contains("ulimit -f"), "{message}");
    assert!(matches!(
        thread.send(&mut Batch::default()),
        Err(RecordingError::Stopped)
    ));
    assert!(matches!(
        thread.finish(&run(201_000)),
        Err(RecordingError::Stopped)
    ));
    assert!(!fs::exists(path.join("faults/part-00001.parquet.tmp")).expect("looks"));
}

#[test]
fn what_could_not_be_written_is_told_by_the_recording() {
    let (_directory, path) = place();
    let mut writer = RecordingWriter::create(&path, false, &running()).expect("creates");
    // The name that the next segment needs is taken.
    std::fs::create_dir(path.join("faults/part-00000.parquet.tmp")).expect("makes");
    for number in 0..3 {
        // The first error is handed out here or at the end.
        let _ = writer.push_fault(&fault(number));
    }
    writer.finish(&run(3)).expect_err("faults are lost");
    let recording = Recording::open(&path).expect("opens");
    assert!(!recording.run.complete);
    let notes = recording.run.notes.join("; ");
    assert!(
        notes.contains("could not be written: 3 of the 3 faults"),
        "{notes}"
    );
}
