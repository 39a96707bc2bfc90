use std::sync::Arc;

use parquet::{
    basic::Repetition,
    column::reader::get_typed_column_reader,
    data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    file::{
        properties::WriterProperties,
        reader::{FileReader as _, SerializedFileReader},
        writer::SerializedFileWriter,
    },
    schema::types::{SchemaDescriptor, Type as SchemaType},
};
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["", "one", "two", "three", "and four"];

/// A schema of one column.
fn schema(as_type: Type, repetition: Repetition) -> SchemaDescriptor {
    let column = SchemaType::primitive_type_builder("values", as_type)
        .with_repetition(repetition)
        .build()
        .expect("is a type");
    let schema = SchemaType::group_type_builder("schema")
        .with_fields(vec![Arc::new(column)])
        .build()
        .expect("is a schema");
    SchemaDescriptor::new(Arc::new(schema))
}

/// Writes a chunk as a file.
fn file_of(schema: &SchemaDescriptor, chunk: DictionaryChunk) -> SerializedFileReader<Bytes> {
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = SerializedFileWriter::new(Vec::new(), schema.root_schema_ptr(), properties)
        .expect("begins a file");
    let (bytes, close) = chunk.close().expect("closes");
    let mut group = file.next_row_group().expect("begins a group");
    group.append_column(&bytes, close).expect("appends");
    group.close().expect("closes");
    let bytes = Bytes::from(file.into_inner().expect("ends the file"));
    SerializedFileReader::new(bytes).expect("opens")
}

/// Reads `rows` of them with the library: the values, and whether each row has one.
fn read<T: DataType>(file: &SerializedFileReader<Bytes>, rows: usize) -> (Vec<T::T>, Vec<i16>) {
    let group = file.get_row_group(0).expect("has a group");
    let reader = group.get_column_reader(0).expect("has the column");
    let mut reader = get_typed_column_reader::<T>(reader);
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let counts = reader.read_records(rows + 1, Some(&mut levels), None, &mut values);
    assert_eq!(counts.expect("reads").0, rows);
    (values, levels)
}

fn assert_names_read_back(values: &[u8], names: &'static [&'static str]) {
    let schema = schema(Type::BYTE_ARRAY, Repetition::REQUIRED);
    let mut chunk = DictionaryChunk::of_names(schema.column(0), names);
    for &value in values {
        chunk.push_name(value);
        chunk.flush().expect("encodes");
    }
    let (read, _) = read::<ByteArrayType>(&file_of(&schema, chunk), values.len());
    let expected = values
        .iter()
        .map(|&value| ByteArray::from(names[usize::from(value)]));
    assert!(read.into_iter().eq(expected));
}

fn assert_numbers_read_back(values: &[Option<u64>]) {
    let schema = schema(Type::INT64, Repetition::OPTIONAL);
    let mut chunk = DictionaryChunk::of_numbers(schema.column(0));
    for &value in values {
        match value {
            Some(value) => chunk.push_number(value),
            None => chunk.push_null(),
        }
        chunk.flush().expect("encodes");
    }
    let file = file_of(&schema, chunk);
    let (read, levels) = read::<Int64Type>(&file, values.len());
    let known = values.iter().flatten();
    assert!(
        read.into_iter()
            .eq(known.clone().map(|&value| value as i64))
    );
    assert!(
        levels
            .into_iter()
            .eq(values.iter().map(|value| i16::from(value.is_some())))
    );

    let metadata = file.metadata().row_group(0).column(0);
    let Some(Statistics::Int64(statistics)) = metadata.statistics() else {
        panic!("{metadata:?}");
    };
    let as_stored = |value: Option<&u64>| value.map(|&value| value as i64);
    assert_eq!(
        statistics.min_opt().copied(),
        as_stored(known.clone().min())
    );
    assert_eq!(statistics.max_opt().copied(), as_stored(known.max()));
    let nulls = values.iter().filter(|value| value.is_none()).count();
    assert_eq!(statistics.null_count_opt(), Some(nulls as u64));
}

/// Lists with and without runs.
fn numbers() -> impl Strategy<Value = Vec<Option<u64>>> {
    let number = prop_oneof![
        Just(None),
        (0..3_u64).prop_map(Some),
        (0..2 * SMALL).prop_map(Some),
        any::<u64>().prop_map(Some)
    ];
    let runs = prop::collection::vec((number, 1..40_usize), 1..60);
    runs.prop_map(|runs| {
        let runs = runs.into_iter();
        runs.flat_map(|(value, run)| vec![value; run]).collect()
    })
}

proptest! {
    #[test]
    fn names_read_back_as_they_were(
        runs in prop::collection::vec((0..5_u8, 1..40_usize), 1..60)
    ) {
        let runs = runs.into_iter();
        let values: Vec<u8> = runs.flat_map(|(value, run)| vec![value; run]).collect();
        assert_names_read_back(&values, &NAMES);
    }

    #[test]
    fn single_names_read_back_as_they_were(values in prop::collection::vec(0..5_u8, 1..200)) {
        assert_names_read_back(&values, &NAMES);
    }

    #[test]
    fn numbers_read_back_as_they_were(values in numbers()) {
        assert_numbers_read_back(&values);
    }

    #[test]
    fn single_numbers_read_back_as_they_were(
        values in prop::collection::vec(any::<Option<u64>>(), 1..200)
    ) {
        assert_numbers_read_back(&values);
    }
}

#[test]
fn pages_and_lone_names_read_back_as_they_were() {
    let values: Vec<u8> = (0..2 * PAGE_ROWS + 3).map(|n| (n / 5 % 5) as u8).collect();
    assert_names_read_back(&values, &NAMES);
    assert_names_read_back(&[0; PAGE_ROWS], &NAMES[..1]);
    assert_names_read_back(&[1, 0, 1], &NAMES[..2]);
}

#[test]
fn pages_and_lone_numbers_read_back_as_they_were() {
    // More distinct ones than two bytes can number, so that later pages take more bits.
    let values: Vec<Option<u64>> = (0..3 * PAGE_ROWS as u64 / 2 + 3)
        .map(|n| (n % 7 != 0).then_some(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    assert_numbers_read_back(&values);
    assert_numbers_read_back(&[None; PAGE_ROWS + 1]);
    assert_numbers_read_back(&[Some(u64::MAX)]);
}

#[test]
fn short_numbers_read_back_as_they_were() {
    let schema = schema(Type::INT32, Repetition::REQUIRED);
    let mut chunk = DictionaryChunk::of_numbers(schema.column(0));
    let values = [7, u32::MAX, 0, 0, 7];
    values
        .iter()
        .for_each(|&value| chunk.push_number(value.into()));
    let (read, _) = read::<Int32Type>(&file_of(&schema, chunk), values.len());
    assert_eq!(read, values.map(|value| value as i32));
}

#[test]
fn a_value_that_does_not_belong_is_refused() {
    let refused = |mut chunk: DictionaryChunk, push: &dyn Fn(&mut DictionaryChunk)| {
        push(&mut chunk);
        assert!(chunk.close().is_err());
    };
    let column = schema(Type::BYTE_ARRAY, Repetition::REQUIRED).column(0);
    let names = || DictionaryChunk::of_names(column.clone(), &NAMES);
    refused(names(), &|chunk| chunk.push_name(5));
    refused(names(), &|chunk| chunk.push_number(0));
    refused(names(), &DictionaryChunk::push_null);
    refused(DictionaryChunk::of_numbers(column.clone()), &|chunk| {
        chunk.push_number(0)
    });
}
