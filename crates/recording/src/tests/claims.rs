//! Segments that claim more than they have, or more than any has: damage, told before memory is given to it.

use std::{fs::File, path::Path, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, StringArray, StructArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{metadata::KeyValue, properties::WriterProperties},
};

use super::{fault, place, run};
use crate::{FORMAT, FORMAT_KEY, Recording, RecordingWriter};

/// A recording of one fault with another segment in one of its tables.
fn with_segment(path: &Path, table: &str, batches: &[RecordBatch]) -> Recording {
    let mut writer = RecordingWriter::create(path, false, &run(1)).expect("creates");
    writer.push_fault(&fault(1)).expect("pushes");
    writer.finish(&run(1)).expect("finishes");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_page_size_limit(1 << 30)
        .set_data_page_size_limit(1 << 30)
        .set_key_value_metadata(Some(vec![KeyValue::new(
            FORMAT_KEY.to_owned(),
            FORMAT.to_string(),
        )]))
        .build();
    let file = File::create(path.join(table).join("part-00001.parquet")).expect("creates");
    let schema = batches.first().expect("one").schema();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties)).expect("opens");
    for batch in batches {
        writer.write(batch).expect("writes");
    }
    writer.close().expect("closes");
    Recording::open(path).expect("opens")
}

/// Why the segment is damaged.
fn reason(recording: &Recording) -> String {
    let at_once = recording.damage().into_iter();
    let symbols = recording.symbols().filter_map(Result::err);
    let mut reasons = at_once.chain(symbols).map(|damaged| damaged.reason);
    let reason = reasons.next().expect("is damaged");
    assert_eq!(reasons.next(), None);
    assert_eq!(recording.faults().filter(Result::is_ok).count(), 1);
    reason
}

/// Columns of the symbols' table.
fn symbols(functions: ArrayRef) -> RecordBatch {
    let count = functions.len() as u32;
    let numbers: UInt32Array = (0..count).collect();
    let no: StringArray = (0..count).map(|_| Some("no")).collect();
    let depths: arrow_array::UInt16Array = (0..count).map(|_| Some(0)).collect();
    let columns: [(&str, ArrayRef); 4] = [
        ("location_id", Arc::new(numbers)),
        ("depth", Arc::new(depths)),
        ("function", functions),
        ("inlined", Arc::new(no)),
    ];
    RecordBatch::try_from_iter(columns).expect("builds")
}

#[test]
fn more_rows_than_any_segment_has() {
    let (_directory, path) = place();
    let column: UInt32Array = std::iter::repeat_n(7, 1 << 20).collect();
    let batch =
        RecordBatch::try_from_iter([("pid", Arc::new(column) as ArrayRef)]).expect("builds");
    let batches = vec![batch; 5];
    let recording = with_segment(&path, "faults", &batches);
    assert_eq!(reason(&recording), "its numbers of rows cannot be");
}

#[test]
fn a_schema_with_depth() {
    let (_directory, path) = place();
    let mut array: ArrayRef = Arc::new(UInt32Array::from(vec![1]));
    for _ in 0..30 {
        let field = Field::new("x", array.data_type().clone(), false);
        array = Arc::new(StructArray::from(vec![(Arc::new(field), array)]));
    }
    let field = Field::new("x", array.data_type().clone(), false);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![array]).expect("builds");
    let recording = with_segment(&path, "faults", &[batch]);
    assert_eq!(reason(&recording), "its schema is none of a recording's");
}

#[test]
fn a_list_in_the_schema() {
    let (_directory, path) = place();
    let mut lists =
        arrow_array::builder::ListBuilder::new(arrow_array::builder::UInt32Builder::new());
    lists.append_value([Some(1), Some(2)]);
    let array: ArrayRef = Arc::new(lists.finish());
    assert!(matches!(array.data_type(), DataType::List(_)));
    let batch = RecordBatch::try_from_iter([("x", array)]).expect("builds");
    let recording = with_segment(&path, "faults", &[batch]);
    assert_eq!(reason(&recording), "its schema is none of a recording's");
}

/// One text of 1 MB stands for a million rows in a few bytes each: they are decoded few at a time, and what
/// refers to them keeps what there is room for.
#[test]
fn few_rows_of_long_text_are_decoded_at_once() {
    let (_directory, path) = place();
    let long = "x".repeat(1 << 20);
    let functions: StringArray = (0..200).map(|_| Some(&long)).collect();
    let recording = with_segment(&path, "symbols", &[symbols(Arc::new(functions))]);
    let mut rows = recording.symbols();
    let mut seen = 0;
    while let Some(batch) = rows.next_batch() {
        let batch = batch.expect("reads");
        assert!(batch.len() <= 64, "{}", batch.len());
        assert!(batch.iter().all(|row| row.function.len() == 1 << 20));
        seen += batch.len();
    }
    assert_eq!(seen, 200);
}

#[test]
fn a_dictionary_longer_than_any() {
    let (_directory, path) = place();
    let functions: StringArray = (0..9)
        .map(|n| Some(format!("{n}").repeat(1 << 20)))
        .collect();
    let recording = with_segment(&path, "symbols", &[symbols(Arc::new(functions))]);
    assert_eq!(
        reason(&recording),
        "it claims to be larger than any that record writes"
    );
}
