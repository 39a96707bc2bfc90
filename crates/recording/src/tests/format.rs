//! The format that other programs, older and newer versions rely on.

use std::{fs::File, sync::Arc};

use arrow_array::{ArrayRef, DictionaryArray, RecordBatch, types::UInt8Type};
use fault_trace_common::{Class, Counter, Hook, phase::Phase};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        reader::{FileReader, SerializedFileReader},
    },
    record::Field,
    schema::printer::print_schema,
};

use super::{fault, place, run, task};
use crate::{
    FORMAT_KEY, Recording, RecordingWriter,
    schema::{Row, TABLES},
};
use fault_trace_model::{
    Event, Fault, TaskEvent,
    attribution::{CgroupRow, LocationRow, MappingRow, StackRow, SymbolRow},
    totals::ClassTotals,
};

/// The columns with their Parquet types and the encodings of their values, as found in a file.
fn describe<R: Row>(recording: &std::path::Path) -> String {
    let path = recording.join(R::TABLE).join("part-00000.parquet");
    let reader = SerializedFileReader::new(File::open(path).expect("opens")).expect("reads");
    let metadata = reader.metadata();
    let mut text = Vec::new();
    print_schema(&mut text, metadata.file_metadata().schema());
    let mut text = String::from_utf8(text).expect("is text");
    for column in metadata.row_group(0).columns() {
        let mut encodings: Vec<_> = column.encodings().map(|e| e.to_string()).collect();
        encodings.sort();
        let (path, encodings) = (column.column_path(), encodings.join(" "));
        text += &format!("{path}: {encodings}, {}\n", column.compression());
    }
    text
}

#[test]
fn the_schema_of_format_1_does_not_change() {
    let (_directory, path) = place();
    let mut writer = RecordingWriter::create(&path, false, &run(1)).expect("creates");
    for event in [
        Event::Fault(fault(1)),
        Event::Task(task(b"ls")),
        Event::Mapping(Row::blank()),
        Event::Location(Row::blank()),
        Event::Symbol(Row::blank()),
        Event::Stack(Row::blank()),
        Event::Cgroup(Row::blank()),
    ] {
        writer.push(event).expect("pushes");
    }
    writer.finish(&run(1)).expect("finishes");
    let tables = [
        (Fault::TABLE, describe::<Fault>(&path)),
        (TaskEvent::TABLE, describe::<TaskEvent>(&path)),
        (MappingRow::TABLE, describe::<MappingRow>(&path)),
        (LocationRow::TABLE, describe::<LocationRow>(&path)),
        (SymbolRow::TABLE, describe::<SymbolRow>(&path)),
        (StackRow::TABLE, describe::<StackRow>(&path)),
        (CgroupRow::TABLE, describe::<CgroupRow>(&path)),
    ];
    assert_eq!(tables.each_ref().map(|(table, _)| *table), TABLES);
    for (table, schema) in tables {
        insta::assert_snapshot!(table, schema);
    }
}

/// Numbers of classes, hooks, counters and phases mean nothing beyond a run, so that an entry can be added
/// at any place of its table.
#[test]
fn a_recording_holds_names_and_no_numbers() {
    let (_directory, path) = place();
    let mut run = run(Class::COUNT as u64);
    run.totals.classes = Class::ALL.map(ClassTotals::empty).into();
    let mut writer = RecordingWriter::create(&path, false, &run).expect("creates");
    for (n, class) in (0..).zip(Class::ALL) {
        let fault = Fault { class, ..fault(n) };
        writer.push_fault(&fault).expect("pushes");
    }
    writer.finish(&run).expect("finishes");

    let file = File::open(path.join("faults/part-00000.parquet")).expect("opens");
    let rows = SerializedFileReader::new(file).expect("reads");
    let rows = rows.get_row_iter(None).expect("has rows");
    let classes = rows.map(|row| {
        let row = row.expect("reads");
        let mut columns = row.get_column_iter();
        let (_, class) = columns.find(|(name, _)| *name == "class").expect("class");
        class.clone()
    });
    let named = Class::ALL.map(|class| Field::Str(class.name().to_owned()));
    assert!(classes.eq(named));

    let text = std::fs::read_to_string(path.join("recording.json")).expect("reads");
    let json: serde_json::Value = serde_json::from_str(&text).expect("is JSON");
    let hooks = Hook::ALL.map(Hook::name);
    assert_eq!(json["run"]["hooks"], serde_json::json!(hooks.as_slice()));
    let totals = &json["run"]["totals"];
    for (n, class) in Class::ALL.into_iter().enumerate() {
        assert_eq!(totals["classes"][n]["class"], class.name());
        for (phase, _) in Phase::MEASURED {
            assert_eq!(totals["classes"][n]["phases_ns"][phase.name()], 0);
        }
    }
    for counter in Counter::ALL {
        assert_eq!(totals["counters"][counter.name()], 0, "{counter:?}");
    }
}

#[test]
fn a_class_of_a_newer_version_reads_as_unknown_and_is_counted() {
    let (_directory, path) = place();
    let writer = RecordingWriter::create(&path, false, &run(4)).expect("creates");
    writer.finish(&run(4)).expect("finishes");
    let names: DictionaryArray<UInt8Type> =
        ["cow-anon", "from-the-future", "cow-anon", "from-the-future"]
            .into_iter()
            .collect();
    rewrite_column(&path, "class", Arc::new(names));

    let mut faults = Recording::open(&path).expect("opens").faults();
    let classes: Vec<Class> = faults
        .by_ref()
        .map(|fault| fault.expect("reads").class)
        .collect();
    assert_eq!(
        classes,
        [
            Class::CowAnon,
            Class::Unknown,
            Class::CowAnon,
            Class::Unknown
        ]
    );
    assert_eq!(faults.unknown_names(), 2);
}

#[test]
fn a_recording_from_before_a_column_was_added_is_read() {
    let (_directory, path) = place();
    let writer = RecordingWriter::create(&path, false, &run(3)).expect("creates");
    writer.finish(&run(3)).expect("finishes");
    let rows: Vec<Fault> = (0..3).map(fault).collect();
    let batch = batch(&rows);
    let index = batch.schema().index_of("major").expect("is a column");
    let older: Vec<usize> = (0..=index).collect();
    write_segment(&path, &batch.project(&older).expect("has those"));
    let faults: Vec<Fault> = Recording::open(&path)
        .expect("opens")
        .faults()
        .map(|fault| fault.expect("reads"))
        .collect();
    assert_eq!(faults, rows);
}

/// The rows as they are written.
fn batch(rows: &[Fault]) -> RecordBatch {
    let (_directory, path) = place();
    let mut writer = RecordingWriter::create(&path, false, &run(0)).expect("creates");
    writer.push_faults(rows).expect("takes");
    writer.finish(&run(0)).expect("finishes");
    let file = File::open(path.join("faults/part-00000.parquet")).expect("opens");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("is Parquet");
    let mut batches = reader.build().expect("reads");
    batches.next().expect("has rows").expect("reads")
}

/// Replaces the first segment with faults whose column `name` is `values`, and which have a column
/// that this version does not know.
fn rewrite_column(recording: &std::path::Path, name: &str, values: ArrayRef) {
    let rows: Vec<Fault> = (0..values.len() as u64).map(fault).collect();
    let batch = batch(&rows);
    let columns = batch.schema_ref().fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, column)| {
        let values = if field.name() == name {
            &values
        } else {
            column
        };
        (field.name().clone(), Arc::clone(values))
    });
    let newer = [("from_the_future".to_owned(), Arc::clone(batch.column(0)))];
    let batch = RecordBatch::try_from_iter(newer.into_iter().chain(columns)).expect("builds");
    write_segment(recording, &batch);
}

fn write_segment(recording: &std::path::Path, batch: &RecordBatch) {
    let file = File::create(recording.join("faults/part-00000.parquet")).expect("creates");
    let format = KeyValue::new(FORMAT_KEY.to_owned(), "1".to_owned());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![format]));
    let mut writer =
        ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).expect("creates");
    writer.write(batch).expect("writes");
    writer.close().expect("closes");
}
