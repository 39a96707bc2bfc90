//! The tables of a recording, each defined once: writing and reading both follow from the columns.
//!
//! Within a format version columns may be added, and names to the columns of names; readers ignore
//! the one and count the other. Anything else is a new [`FORMAT`](super::FORMAT).

mod attribution;
mod faults;
mod tasks;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};

use super::column::Column;
use fault_trace_model::{
    Fault, Fields, TaskEvent,
    attribution::{CgroupRow, LocationRow, MappingRow, StackRow, SymbolRow},
};

/// The folders of all tables.
pub(super) const TABLES: [&str; 7] = [
    Fault::TABLE,
    TaskEvent::TABLE,
    MappingRow::TABLE,
    LocationRow::TABLE,
    SymbolRow::TABLE,
    StackRow::TABLE,
    CgroupRow::TABLE,
];

/// A row of one of the tables. A new table is an implementation of this, its folder among
/// [`TABLES`], and a `TableWriter` beside those of the others.
pub(super) trait Row: Sized + Clone + 'static {
    /// The folder of the table's segments.
    const TABLE: &'static str;

    fn columns() -> &'static [Column<Self>];

    /// A row whose fields are all to be set by its columns.
    fn blank() -> Self;

    /// Returns the moment of the row, ns of CLOCK_MONOTONIC; 0 if nothing is added to it.
    fn moment_ns(&self) -> u64 {
        0
    }

    /// Returns the time that sums over rows add up, ns.
    fn spent_ns(&self) -> u64 {
        0
    }
}

/// The Arrow schema of a table.
pub(super) fn arrow_schema<R: Row>() -> SchemaRef {
    let fields = R::columns().iter().map(Column::field);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns that are to be read where only `fields` are looked at.
pub(super) fn wanted<R: Row>(fields: Fields) -> impl Iterator<Item = &'static Column<R>> {
    let read = R::columns().iter().filter(|column| column.is_read());
    read.filter(move |column| column.part.is_none_or(|part| fields.has(part)))
}

/// Sets `fields` in `rows`, which are as many as the batch has; returns how many names are unknown.
///
/// # Errors
/// The name of a column that is missing or has another type.
pub(super) fn read<R: Row>(
    batch: &RecordBatch,
    fields: Fields,
    rows: &mut [R],
) -> Result<u64, &'static str> {
    let mut unknown_names = 0;
    for column in wanted::<R>(fields) {
        let Some(array) = batch.column_by_name(column.name) else {
            // Older recordings lack what was added since.
            if column.nullable {
                continue;
            }
            return Err(column.name);
        };
        unknown_names += column.read(array, rows).ok_or(column.name)?;
    }
    Ok(unknown_names)
}
