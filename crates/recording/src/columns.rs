//! The columns of a segment while it is written: each is encoded in memory, and put into the file when
//! all are complete.

use std::fs::File;

use arrow_schema::{Field, Schema};
use parquet::{
    arrow::arrow_writer::{ArrowColumnWriter, ArrowWriter, compute_leaves},
    errors::{ParquetError, Result},
    file::writer::SerializedFileWriter,
};

use super::{
    column::{Build, Column},
    dictionary::DictionaryChunk,
    schema::Row,
};

/// The columns, and the file that they are for.
pub(super) struct Columns {
    file: SerializedFileWriter<File>,
    writers: Vec<Writer>,
}

enum Writer {
    Array(Box<ArrowColumnWriter>),
    Dictionary(Box<DictionaryChunk>),
}

impl Columns {
    /// The columns of the table whose rows are `R`.
    ///
    /// # Errors
    /// The schema cannot be written.
    pub(super) fn open<R: Row>(writer: ArrowWriter<File>) -> Result<Self> {
        let (file, factory) = writer.into_serialized_writer()?;
        let arrays = factory.create_column_writers(0)?.into_iter();
        let columns = R::columns().iter().zip(arrays).enumerate();
        let writers = columns.map(|(index, (column, array))| match &column.build {
            Build::Array(_) => Writer::Array(Box::new(array)),
            Build::Dictionary { names, .. } => {
                let column = file.schema_descr().column(index);
                Writer::Dictionary(Box::new(match names {
                    Some(names) => DictionaryChunk::of_names(column, names),
                    None => DictionaryChunk::of_numbers(column),
                }))
            }
        });
        let writers = writers.collect();
        Ok(Self { file, writers })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// A page cannot be encoded.
    pub(super) fn write<R: Row>(&mut self, schema: &Schema, rows: &[R]) -> Result<()> {
        let columns = R::columns().iter().zip(schema.fields());
        for ((column, field), writer) in columns.zip(&mut self.writers) {
            write(column, field, writer, rows)?;
        }
        Ok(())
    }

    /// Puts the columns, of so many rows, into the file and completes it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn finish(self, rows: u64) -> Result<()> {
        let Self { mut file, writers } = self;
        if rows != 0 {
            let mut group = file.next_row_group()?;
            for writer in writers {
                match writer {
                    Writer::Array(writer) => writer.close()?.append_to_row_group(&mut group)?,
                    Writer::Dictionary(chunk) => {
                        let (bytes, close) = chunk.close()?;
                        group.append_column(&bytes, close)?;
                    }
                }
            }
            group.close()?;
        }
        file.into_inner()?;
        Ok(())
    }
}

fn write<R>(column: &Column<R>, field: &Field, writer: &mut Writer, rows: &[R]) -> Result<()> {
    match (&column.build, writer) {
        (Build::Array(build), Writer::Array(writer)) => {
            let leaves = compute_leaves(field, &build(rows))?;
            leaves.iter().try_for_each(|leaf| writer.write(leaf))
        }
        (Build::Dictionary { push, .. }, Writer::Dictionary(chunk)) => {
            push(rows, chunk);
            chunk.flush()
        }
        (Build::Array(_) | Build::Dictionary { .. }, _) => {
            let message = format!("the column {} has another's writer", column.name);
            Err(ParquetError::General(message))
        }
    }
}
