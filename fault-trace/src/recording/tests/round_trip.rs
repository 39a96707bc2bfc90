//! What was written is read.

use proptest::prelude::*;

use super::{any_fault, any_task, fault, place, run, running, task};
use crate::{
    model::{Event, Fault, TaskEvent},
    recording::{Recording, RecordingWriter, SEGMENT_ROWS, WriterThread, Written},
};

fn read(recording: &Recording) -> (Vec<Fault>, Vec<TaskEvent>) {
    let faults = recording.faults().collect::<Result<_, _>>();
    let tasks = recording.tasks().collect::<Result<_, _>>();
    (faults.expect("faults"), tasks.expect("tasks"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_events_survive_in_order(
        faults in prop::collection::vec(any_fault(), 0..300),
        tasks in prop::collection::vec(any_task(), 0..30),
        roll_after in 0_usize..300,
    ) {
        let (_directory, path) = place();
        let run = run(faults.len() as u64);
        let mut writer = RecordingWriter::create(&path, false, &running()).expect("creates");
        for (n, fault) in faults.iter().enumerate() {
            if n == roll_after {
                writer.roll().expect("rolls");
            }
            writer.push_fault(fault).expect("pushes");
        }
        for task in &tasks {
            writer.push_task(task.clone()).expect("pushes");
        }
        let written = writer.finish(&run).expect("finishes");
        prop_assert_eq!((written.faults, written.tasks), (faults.len() as u64, tasks.len() as u64));

        let recording = Recording::open(&path).expect("opens");
        prop_assert_eq!(&recording.run, &run);
        prop_assert!(recording.completeness.is_whole(), "{:?}", recording.completeness);
        prop_assert_eq!(read(&recording), (faults, tasks));
    }
}

#[test]
fn a_full_segment_is_closed_without_being_asked() {
    let (_directory, path) = place();
    let mut writer = RecordingWriter::create(&path, false, &running()).expect("creates");
    let rows = SEGMENT_ROWS + 10;
    for n in 0..rows {
        writer.push_fault(&fault(n)).expect("pushes");
    }
    let written = writer.finish(&run(rows)).expect("finishes");
    // Two of faults, and an empty one of tasks.
    assert_eq!((written.faults, written.segments), (rows, 3));
    let recording = Recording::open(&path).expect("opens");
    assert_eq!(recording.completeness.fault_rows, rows);
    let times = recording
        .faults()
        .map(|fault| fault.expect("reads").time_ns);
    assert!(times.eq((0..rows).map(|n| fault(n).time_ns)));
}

#[test]
fn a_thread_writes_what_it_is_sent() {
    let (_directory, path) = place();
    let writer = RecordingWriter::create(&path, false, &running()).expect("creates");
    let mut thread = WriterThread::spawn(writer).expect("spawns");
    for n in 0..10 {
        let events = vec![Event::Fault(fault(n)), Event::Task(task(b"ls"))];
        thread.send(events).expect("sends");
        thread.checkpoint(running()).expect("sends");
    }
    thread.roll().expect("sends");
    let written = thread.finish(&run(10)).expect("finishes");
    let expected = Written {
        faults: 10,
        tasks: 10,
        segments: 2,
    };
    assert_eq!(written, expected);
    let recording = Recording::open(&path).expect("opens");
    let (faults, tasks) = read(&recording);
    assert_eq!(faults, (0..10).map(fault).collect::<Vec<_>>());
    assert_eq!(tasks, vec![task(b"ls"); 10]);
    assert!(recording.completeness.is_whole());
}
