//! What was written is read.

use proptest::prelude::*;

use super::{any_fault, any_task, fault, place, run, running, task};
use crate::{Recording, RecordingWriter, SEGMENT_ROWS, WriterThread, Written, schema::TABLES};
use fault_trace_model::{
    Event, Fault, TaskEvent,
    attribution::{
        CgroupRow, LocationKind, LocationRow, MappingKind, MappingRow, StackRow, SymbolRow,
    },
    mapping::{Device, Protection},
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
        prop_assert!(recording.is_whole(), "{:?}", recording.completeness);
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
    // Two of faults, and an empty one of each other table.
    let expected = TABLES.len() + 1;
    assert_eq!(
        (written.faults, written.segments as usize),
        (rows, expected)
    );
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
        let events = [Event::Fault(fault(n)), Event::Task(task(b"ls"))];
        thread
            .send(&mut events.into_iter().collect())
            .expect("sends");
        thread.checkpoint(running()).expect("sends");
    }
    thread.roll().expect("sends");
    let written = thread.finish(&run(10)).expect("finishes");
    let expected = Written {
        faults: 10,
        tasks: 10,
        segments: 7,
    };
    assert_eq!(written, expected);
    let recording = Recording::open(&path).expect("opens");
    let (faults, tasks) = read(&recording);
    assert_eq!(faults, (0..10).map(fault).collect::<Vec<_>>());
    assert_eq!(tasks, vec![task(b"ls"); 10]);
    assert!(recording.is_whole());
}

#[test]
fn what_faults_refer_to_survives_with_odd_names() {
    let mapping = MappingRow {
        id: 1,
        pid: 7,
        since_ns: 9,
        start: 0x1000,
        end: 0x3000,
        offset_bytes: 0x2000,
        protection: Protection::from_bits(6),
        shared: true,
        kind: MappingKind::SharedMemory,
        name: b"/dev/shm/\xff\n".as_slice().into(),
        device: Device { major: 8, minor: 1 },
        inode: 5,
        deleted: true,
    };
    let location = LocationRow {
        id: 2,
        kind: LocationKind::Jit,
        address: 3,
        pid: 7,
        module: b"\xfe".as_slice().into(),
        build_id: vec![1, 2, 3],
        offset_bytes: u64::MAX,
        elf_address: Some(6),
    };
    let symbol = SymbolRow {
        location_id: 2,
        depth: 1,
        function: "main".to_owned(),
        function_offset_bytes: Some(4),
        source_file: None,
        source_line: Some(77),
        inlined: true,
    };
    let stack = StackRow {
        stack_id: 1,
        depth: 0,
        location_id: 2,
    };
    let cgroup = CgroupRow {
        id: 42,
        path: b"/a\xff".to_vec(),
    };
    let (_directory, path) = place();
    let mut writer = RecordingWriter::create(&path, false, &running()).expect("creates");
    for event in [
        Event::Mapping(mapping.clone()),
        Event::Location(location.clone()),
        Event::Symbol(symbol.clone()),
        Event::Stack(stack),
        Event::Cgroup(cgroup.clone()),
    ] {
        writer.push(event).expect("pushes");
    }
    writer.finish(&run(0)).expect("finishes");
    let recording = Recording::open(&path).expect("opens");
    assert_eq!(
        recording
            .mappings()
            .next()
            .expect("one mapping")
            .expect("reads"),
        mapping
    );
    assert_eq!(
        recording
            .locations()
            .next()
            .expect("one location")
            .expect("reads"),
        location
    );
    assert_eq!(
        recording
            .symbols()
            .next()
            .expect("one symbol")
            .expect("reads"),
        symbol
    );
    assert_eq!(
        recording
            .stacks()
            .next()
            .expect("one stack")
            .expect("reads"),
        stack
    );
    assert_eq!(
        recording
            .cgroups()
            .next()
            .expect("one cgroup")
            .expect("reads"),
        cgroup
    );
}

#[test]
fn the_description_holds_nothing_that_a_terminal_would_obey_or_reorder() {
    let (_directory, path) = place();
    let hostile = "a\u{9b}31m\u{202e}b\u{1b}c";
    let mut hostile_run = run(0);
    hostile_run.command = vec![hostile.to_owned()];
    hostile_run.notes = vec![hostile.to_owned()];
    let writer = RecordingWriter::create(&path, false, &running()).expect("creates");
    writer.finish(&hostile_run).expect("finishes");
    let text = std::fs::read_to_string(path.join("recording.json")).expect("is text");
    let is_plain = |char| char == '\n' || fault_trace_text::plain::is_plain(char);
    assert!(text.chars().all(is_plain), "{text:?}");
    let read = Recording::open(&path).expect("opens");
    assert_eq!(read.run.command, [hostile]);
}
