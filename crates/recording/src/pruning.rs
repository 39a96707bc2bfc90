//! Which parts of a segment can hold what is wanted, by the minima and maxima in its footer.

use arrow_array::{
    Array as _, ArrayRef, UInt32Array, UInt64Array,
    cast::AsArray as _,
    types::{UInt32Type, UInt64Type},
};
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, statistics::StatisticsConverter},
    errors::ParquetError,
    file::metadata::RowGroupMetaData,
};

use super::{
    schema::Row,
    wanted::{Bounds, Wanted},
};

/// The row groups that may hold rows that are wanted, and the number of rows in the others.
pub(super) fn row_groups<R: Row>(
    metadata: &ArrowReaderMetadata,
    wanted: &Wanted,
) -> Result<(Vec<usize>, u64), ParquetError> {
    let groups = metadata.metadata().row_groups();
    let mut kept = vec![true; groups.len()];
    for bounds in &wanted.bounds {
        let columns = R::columns().iter();
        for column in columns.filter(|column| column.part == Some(bounds.field)) {
            exclude(&mut kept, column.name, *bounds, metadata)?;
        }
    }
    let passed_over = groups.iter().zip(&kept).filter(|(_, kept)| !**kept);
    let passed_over = passed_over
        .map(|(group, _)| u64::try_from(group.num_rows()).unwrap_or(0))
        .sum();
    let kept = kept.iter().enumerate().filter(|(_, kept)| **kept);
    Ok((kept.map(|(index, _)| index).collect(), passed_over))
}

/// Whether a column holds nothing in any of the row groups, as phases that nothing went through.
pub(super) fn is_empty(column: &str, row_groups: &[usize], metadata: &ArrowReaderMetadata) -> bool {
    let columns = metadata.parquet_schema().columns();
    let index = columns.iter().position(|known| known.name() == column);
    let nulls = |group: &RowGroupMetaData| {
        let statistics = group.columns().get(index?)?.statistics()?;
        statistics.null_count_opt()
    };
    row_groups.iter().all(|&group| {
        let group = metadata.metadata().row_group(group);
        nulls(group).is_some_and(|nulls| i64::try_from(nulls) == Ok(group.num_rows()))
    })
}

/// Marks the row groups of which `column` has no value within the bounds.
fn exclude(
    kept: &mut [bool],
    column: &str,
    bounds: Bounds,
    metadata: &ArrowReaderMetadata,
) -> Result<(), ParquetError> {
    let schema = metadata.schema();
    if schema.field_with_name(column).is_err() {
        return Ok(());
    }
    let statistics = StatisticsConverter::try_new(column, schema, metadata.parquet_schema())?;
    let groups = metadata.metadata().row_groups();
    let (minima, maxima) = (
        numbers(&statistics.row_group_mins(groups)?),
        numbers(&statistics.row_group_maxes(groups)?),
    );
    for (index, kept) in kept.iter_mut().enumerate() {
        let below = known(maxima.as_ref(), index).is_some_and(|max| max < bounds.first);
        let above = known(minima.as_ref(), index).is_some_and(|min| min > bounds.last);
        *kept &= !below && !above;
    }
    Ok(())
}

fn numbers(array: &ArrayRef) -> Option<UInt64Array> {
    let narrow = |numbers: &UInt32Array| numbers.unary::<_, UInt64Type>(u64::from);
    array
        .as_primitive_opt::<UInt64Type>()
        .cloned()
        .or_else(|| array.as_primitive_opt::<UInt32Type>().map(narrow))
}

fn known(numbers: Option<&UInt64Array>, index: usize) -> Option<u64> {
    let numbers = numbers?;
    numbers.is_valid(index).then(|| numbers.value(index))
}
