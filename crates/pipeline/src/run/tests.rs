use std::collections::VecDeque;

use fault_trace_common::{
    Class, Confidence, ErrorCode, Evidence,
    wire::{ALL_CLASSES, FaultRecord, KIND_FAULT, LATENCY_UNKNOWN, RecordHeader},
};

use super::*;
use crate::{
    Code,
    fake::{FakeMachine, exited, mapped},
};
use fault_trace_model::{sample, space_event::Origin};

const PID: u32 = 7;
const START: u64 = 0x10_0000;
const ALL: Settings = Settings {
    hooks: Hooks::ALL,
    wanted: ALL_CLASSES,
    names_live: false,
};

/// Whatever is in it has come; a mark takes it all.
#[derive(Default)]
struct Queue(VecDeque<Vec<u8>>);

impl Records for Queue {
    type Mark = ();

    fn mark(&mut self) {}

    fn records(&mut self, (): (), limit: usize, mut sink: impl FnMut(&[u8])) -> usize {
        let count = limit.min(self.0.len());
        self.0.drain(..count).for_each(|record| sink(&record));
        count
    }
}

impl Sideband for Queue {
    fn read(&mut self, origin: Origin, mut sink: impl FnMut(&[u8])) {
        if origin == Origin::Machine {
            self.0.drain(..).for_each(|record| sink(&record));
        }
    }
}

type Tested = Pipeline<Queue, Queue, FakeMachine>;

fn open(machine: FakeMachine, settings: Settings, pids: Vec<u32>) -> Tested {
    let source = Source {
        records: Queue::default(),
        sideband: Queue::default(),
    };
    let coverage = Coverage::everyone();
    Pipeline::open(source, machine, settings, Followed { coverage, pids })
}

impl Tested {
    fn machine_mut(&mut self) -> &mut FakeMachine {
        &mut self.steps.ports.machine
    }

    /// A fault happens, and is in the ring buffer.
    fn fault(&mut self, address: u64, time_ns: u64) {
        let record = record(address, time_ns);
        self.records.0.push_back(record);
    }

    /// The sideband tells of something.
    fn told(&mut self, record: Vec<u8>) {
        self.steps.ports.sideband.0.push_back(record);
    }

    fn drained(&mut self) -> Batch {
        let mut all = Batch::default();
        let drained: Result<(), ()> = self.drain(&Pace::default(), |batch| {
            all.others.append(&mut batch.others);
            all.faults.append(&mut batch.faults);
            Ok(())
        });
        drained.expect("nothing fails");
        all
    }
}

/// A first touch of an anonymous page.
fn record(address: u64, time_ns: u64) -> Vec<u8> {
    let evidence = Evidence::ENDED | Evidence::RSS_ANON | Evidence::ALLOC_PAGE;
    bytemuck::bytes_of(&FaultRecord {
        header: RecordHeader {
            kind: KIND_FAULT,
            cpu: 0,
            class: Class::AnonAlloc as u8,
            confidence: Confidence::Exact as u8,
            around_pages: 0,
        },
        time_ns,
        latency_ns: LATENCY_UNKNOWN,
        address,
        ip: START,
        evidence: Evidence::of(evidence).word,
        error_code: ErrorCode::USER | ErrorCode::WRITE,
        pid: PID,
        tid: PID,
        pages: 1,
    })
    .to_vec()
}

/// A machine in which the process has one private mapping, at a time after those of the test.
fn machine(text: &str) -> FakeMachine {
    let mut machine = FakeMachine {
        now: Duration::from_nanos(100),
        ..FakeMachine::default()
    };
    machine.maps.insert(PID, text.to_owned());
    machine
}

const HEAP: &str = "100000-101000 rw-p 00000000 00:00 0 [heap]\n";
const FILE: &str = "100000-101000 rw-p 00000000 08:01 9 /bin/true\n";

#[test]
fn a_fault_gets_the_mapping_that_a_snapshot_knew() {
    let mut pipeline = open(machine(HEAP), ALL, vec![PID]);
    pipeline.fault(START, 200);
    let batch = pipeline.drained();
    assert_eq!(batch.faults.len(), 1);
    let id = batch.faults[0].mapping_id.expect("it is known");
    let is_it = |row: &Event| matches!(row, Event::Mapping(row) if row.id == id);
    assert!(batch.others.iter().any(is_it), "its row comes with it");
}

#[test]
fn the_mapping_decides_the_class() {
    let mut pipeline = open(machine(FILE), ALL, vec![PID]);
    pipeline.fault(START, 200);
    assert_eq!(pipeline.drained().faults[0].class, Class::CowFile);
}

#[test]
fn faults_of_classes_that_do_not_count_are_left_out_and_counted_as_such() {
    let settings = Settings {
        wanted: Class::AnonAlloc.bit(),
        ..ALL
    };
    let mut pipeline = open(machine(FILE), settings, vec![PID]);
    pipeline.fault(START, 200);
    pipeline.fault(START + 0x10_0000, 201);
    let faults = pipeline.drained().faults;
    assert_eq!(
        faults.len(),
        1,
        "only the one of a copied page is another's"
    );
    let mut run = sample::run(Vec::new(), vec![sample::process(PID, b"a", 2, 0)]);
    let before = run.totals.counts.filtered;
    pipeline.finish(&mut run);
    assert_eq!(run.totals.counts.filtered, before + 1);
}

#[test]
fn a_change_of_mappings_comes_ahead_of_the_faults_that_it_led_to() {
    let mut pipeline = open(machine(""), ALL, vec![PID]);
    pipeline.machine_mut().now = Duration::from_nanos(400);
    // The fault was read later, but both were there.
    pipeline.fault(START, 300);
    pipeline.told(mapped(PID, START, 299));
    assert!(pipeline.drained().faults[0].mapping_id.is_some());
    assert_eq!(pipeline.machine().maps_read[&PID], 1);
}

#[test]
fn a_process_of_which_too_little_is_known_is_looked_at_not_too_often() {
    let mut pipeline = open(machine(""), ALL, vec![PID]);
    pipeline.machine_mut().maps.insert(PID, HEAP.to_owned());
    pipeline.machine_mut().now = Duration::from_nanos(400);
    pipeline.fault(START, 300);
    assert!(pipeline.drained().faults[0].mapping_id.is_some());
    assert_eq!(pipeline.machine().maps_read[&PID], 2);
    // Time stands still: nothing can have changed since.
    pipeline.fault(START + 0x10_0000, 301);
    pipeline.drained();
    assert_eq!(pipeline.machine().maps_read[&PID], 2);
}

#[test]
fn what_cannot_be_decoded_is_counted_wherever_it_comes_from() {
    let mut pipeline = open(machine(HEAP), ALL, vec![PID]);
    pipeline.records.0.push_back(vec![1; 7]);
    pipeline.told(vec![1; 7]);
    pipeline.fault(START, 200);
    assert_eq!(pipeline.drained().faults.len(), 1);
    assert_eq!(pipeline.undecodable(), 1);
    let changes = pipeline.steps.spaces.changes_mut();
    assert_eq!(changes.undecodable(), 1);
}

#[test]
fn what_the_sideband_told_is_read_before_it_changes() {
    let mut pipeline = open(machine(""), ALL, vec![PID]);
    pipeline.machine_mut().now = Duration::from_nanos(400);
    pipeline.told(mapped(PID, START, 299));
    pipeline.change_sideband(|sideband, _| assert!(sideband.0.is_empty()));
    pipeline.fault(START, 300);
    assert!(pipeline.drained().faults[0].mapping_id.is_some());
}

#[test]
fn a_process_is_gone_when_the_records_that_were_there_at_its_exit_are_taken() {
    let mut pipeline = open(machine(HEAP), ALL, vec![PID]);
    pipeline.machine_mut().now = Duration::from_nanos(400);
    pipeline.told(exited(PID, 300));
    pipeline.fault(START, 250);
    pipeline.drained();
    // In the ring buffer since before the exit, but read after the sideband.
    pipeline.fault(START, 299);
    pipeline.drained();
    assert!(pipeline.machine().exited.is_empty());
    pipeline.drained();
    assert_eq!(pipeline.machine().exited, [PID]);
}

#[test]
fn a_watched_fault_waits_a_second_for_its_name_and_others_behind_it_do_too() {
    let settings = Settings {
        names_live: true,
        ..ALL
    };
    let mut pipeline = open(machine(HEAP), settings, vec![PID]);
    pipeline.fault(START, 200);
    pipeline.fault(START, 201);
    assert!(pipeline.drained().faults.is_empty());
    assert_eq!(pipeline.machine_mut().unnamed(), 1);
    pipeline.machine_mut().now += Duration::from_secs(1);
    assert_eq!(pipeline.drained().faults.len(), 2);
}

#[test]
fn a_watched_fault_goes_when_its_name_comes() {
    let settings = Settings {
        names_live: true,
        ..ALL
    };
    let mut machine = machine(HEAP);
    machine.names = true;
    let mut pipeline = open(machine, settings, vec![PID]);
    pipeline.fault(START, 200);
    let batch = pipeline.drained();
    assert_eq!(batch.faults.len(), 1);
    let is_name = |row: &Event| matches!(row, Event::Symbol(_));
    assert!(batch.others.iter().any(is_name));
}

#[test]
fn names_come_at_the_end_or_are_given_up() {
    let mut pipeline = open(machine(HEAP), ALL, vec![PID]);
    pipeline.fault(START, 200);
    assert_eq!(pipeline.drained().faults.len(), 1);
    assert_eq!(pipeline.conclude(None), Ending::Naming(1));
    let soon = pipeline.machine_mut().now + Duration::from_millis(1);
    assert_eq!(pipeline.conclude(Some(soon)), Ending::Naming(1));
    pipeline.machine_mut().now = soon;
    assert_eq!(pipeline.conclude(Some(soon)), Ending::Done);
}
