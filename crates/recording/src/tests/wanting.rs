//! Of what is written only what is wanted is read.

use proptest::prelude::*;

use super::{any_fault, fault, place, run, running};
use crate::{Recording, RecordingWriter, Rows, Wanted, schema::Row as _};
use fault_trace_model::{Fault, Field, Fields};

const ALL: [Field; 17] = [
    Field::Time,
    Field::Latency,
    Field::Address,
    Field::Ip,
    Field::Evidence,
    Field::ErrorCode,
    Field::Pid,
    Field::Tid,
    Field::Cpu,
    Field::Pages,
    Field::Class,
    Field::Confidence,
    Field::Phases,
    Field::AroundPages,
    Field::Mapping,
    Field::Location,
    Field::Stack,
];

/// Writes segments and opens them.
fn recorded(path: &std::path::Path, segments: &[Vec<Fault>]) -> Recording {
    let mut writer = RecordingWriter::create(path, false, &running()).expect("creates");
    for segment in segments {
        for fault in segment {
            writer.push_fault(fault).expect("pushes");
        }
        writer.roll().expect("rolls");
    }
    let written = segments.iter().map(Vec::len).sum::<usize>();
    writer.finish(&run(written as u64)).expect("finishes");
    Recording::open(path).expect("opens")
}

fn batches(mut rows: Rows<Fault>) -> (Vec<Fault>, u64) {
    let mut read = Vec::new();
    while let Some(batch) = rows.next_batch() {
        read.extend_from_slice(batch.expect("reads"));
    }
    (read, rows.passed_over())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_fields_that_are_not_wanted_are_blank_and_the_others_as_written(
        segments in prop::collection::vec(prop::collection::vec(any_fault(), 1..40), 1..4),
        fields in prop::sample::subsequence(ALL.to_vec(), 0..=ALL.len()),
    ) {
        let (_directory, path) = place();
        let fields = Fields::of(&fields);
        let recording = recorded(&path, &segments);
        let expected: Vec<Fault> = segments
            .iter()
            .flatten()
            .map(|fault| fields.of_fault(fault))
            .collect();
        let (read, passed_over) = batches(recording.faults_wanted(Wanted::fields(fields)));
        prop_assert_eq!(read, expected);
        prop_assert_eq!(passed_over, 0);
    }

    #[test]
    fn all_that_lies_within_the_bounds_is_read_and_what_is_not_is_counted(
        segments in prop::collection::vec(prop::collection::vec(any_fault(), 1..3), 1..6),
        first in any::<u64>(),
        last in any::<u64>(),
    ) {
        let (_directory, path) = place();
        let recording = recorded(&path, &segments);
        let wanted = Wanted::EVERYTHING.within(Field::Time, first, last).within(Field::Latency, 1, last);
        let (read, passed_over) = batches(recording.faults_wanted(wanted));
        let within = |fault: &&Fault| {
            (first..=last).contains(&fault.time_ns)
                && fault.latency_ns.is_some_and(|ns| (1..=last).contains(&ns))
        };
        let all = segments.iter().flatten();
        prop_assert_eq!(read.len() as u64 + passed_over, all.clone().count() as u64);
        let expected: Vec<&Fault> = all.filter(within).collect();
        prop_assert_eq!(read.iter().filter(within).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_segment_outside_the_bounds_is_passed_over() {
    let (_directory, path) = place();
    let segments: Vec<Vec<Fault>> = [0..10, 10..30, 30..60]
        .map(|numbers| numbers.map(fault).collect())
        .into();
    let recording = recorded(&path, &segments);
    for (field, first, last, passed_over) in [
        (Field::Time, 9_500, 9_600, 60),
        (Field::Time, 9_500, 10_000, 40),
        (Field::Time, 0, u64::MAX, 0),
        (Field::Address, fault(40).address, u64::MAX, 30),
        (Field::Pid, 8, 9, 60),
        (Field::Latency, 507, u64::MAX, 60),
        (Field::Ip, 1, 1, 60),
    ] {
        let wanted = Wanted::EVERYTHING.within(field, first, last);
        let (read, counted) = batches(recording.faults_wanted(wanted));
        assert_eq!(
            (read.len() as u64, counted),
            (60 - passed_over, passed_over),
            "{field:?}"
        );
    }
}

#[test]
fn every_column_that_is_read_belongs_to_a_field() {
    for column in Fault::columns().iter().filter(|column| column.is_read()) {
        assert!(column.part.is_some(), "{}", column.name);
    }
}
