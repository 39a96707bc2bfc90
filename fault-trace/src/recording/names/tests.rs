use std::sync::Arc;

use parquet::{
    basic::Type,
    column::reader::get_typed_column_reader,
    data_type::{ByteArray, ByteArrayType},
    file::{
        properties::WriterProperties,
        reader::{FileReader as _, SerializedFileReader},
        writer::SerializedFileWriter,
    },
};
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["", "one", "two", "three", "and four"];

/// Writes the values, and reads them with the library.
fn read_back(values: &[u8], names: &[&'static str]) -> Vec<ByteArray> {
    let column = parquet::schema::types::Type::primitive_type_builder("name", Type::BYTE_ARRAY)
        .with_repetition(parquet::basic::Repetition::REQUIRED)
        .build()
        .expect("is a type");
    let schema = parquet::schema::types::Type::group_type_builder("schema")
        .with_fields(vec![Arc::new(column)])
        .build()
        .expect("is a schema");
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file =
        SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties).expect("begins a file");
    let mut chunk = NamesChunk::new(file.schema_descr().column(0), names).expect("begins");
    let (first, second) = values.split_at(values.len() / 2);
    chunk.push(first).expect("takes");
    chunk.push(second).expect("takes");
    let (bytes, close) = chunk.close().expect("closes");
    let mut group = file.next_row_group().expect("begins a group");
    group.append_column(&bytes, close).expect("appends");
    group.close().expect("closes");
    let bytes = Bytes::from(file.into_inner().expect("ends the file"));

    let file = SerializedFileReader::new(bytes).expect("opens");
    let group = file.get_row_group(0).expect("has a group");
    let reader = group.get_column_reader(0).expect("has the column");
    let mut reader = get_typed_column_reader::<ByteArrayType>(reader);
    let mut read = Vec::new();
    let counts = reader.read_records(values.len() + 1, None, None, &mut read);
    assert_eq!(counts.expect("reads").0, values.len());
    read
}

fn assert_reads_back(values: &[u8], names: &[&'static str]) {
    let expected = values
        .iter()
        .map(|&value| ByteArray::from(names[usize::from(value)]));
    assert!(read_back(values, names).into_iter().eq(expected));
}

proptest! {
    #[test]
    fn names_read_back_as_they_were(
        runs in prop::collection::vec((0..5_u8, 1..40_usize), 1..60)
    ) {
        let runs = runs.into_iter();
        let values: Vec<u8> = runs.flat_map(|(value, run)| vec![value; run]).collect();
        assert_reads_back(&values, &NAMES);
    }

    #[test]
    fn single_names_read_back_as_they_were(values in prop::collection::vec(0..5_u8, 1..200)) {
        assert_reads_back(&values, &NAMES);
    }
}

#[test]
fn pages_and_lone_names_read_back_as_they_were() {
    let values: Vec<u8> = (0..2 * PAGE_ROWS + 3).map(|n| (n / 5 % 5) as u8).collect();
    assert_reads_back(&values, &NAMES);
    assert_reads_back(&[0; PAGE_ROWS], &NAMES[..1]);
    assert_reads_back(&[1, 0, 1], &NAMES[..2]);
}

#[test]
fn a_number_without_a_name_is_refused() {
    let column = parquet::schema::types::Type::primitive_type_builder("name", Type::BYTE_ARRAY)
        .build()
        .expect("is a type");
    let path = parquet::schema::types::ColumnPath::from("name");
    let column = parquet::schema::types::ColumnDescriptor::new(Arc::new(column), 0, 0, path);
    let mut chunk = NamesChunk::new(Arc::new(column), &NAMES).expect("begins");
    chunk.push(&[0, 5]).expect("takes");
    assert!(chunk.close().is_err());
}
