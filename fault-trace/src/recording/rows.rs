//! Reading the rows of a table back, segment by segment.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_schema::{Field, Schema};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
            ParquetRecordBatchReaderBuilder,
        },
    },
    errors::ParquetError,
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};

use super::{
    FORMAT, FORMAT_KEY, RecordingError, pruning,
    schema::{self, Row},
    wanted::Wanted,
};
use crate::{guarded, model::Fields};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8192;

/// The rows of a table in the order in which they were written; one batch is in memory at a time.
///
/// A segment that turns out to be damaged yields one error, and reading goes on with the next one.
pub struct Rows<R> {
    segments: std::vec::IntoIter<PathBuf>,
    wanted: Wanted,
    open: Option<OpenSegment>,
    /// The rows of the last batch; those of the next are written over them.
    batch: Vec<R>,
    /// How many of them the iterator has handed out.
    handed_out: usize,
    unknown_names: u64,
    passed_over: u64,
}

struct OpenSegment {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
}

impl<R> Rows<R> {
    pub(super) fn new(segments: Vec<PathBuf>, wanted: Wanted) -> Self {
        Self {
            segments: segments.into_iter(),
            wanted,
            open: None,
            batch: Vec::new(),
            handed_out: 0,
            unknown_names: 0,
            passed_over: 0,
        }
    }

    /// Names that a newer version has written, in the rows so far: their classes read as
    /// [`Class::Unknown`](fault_trace_common::Class::Unknown).
    #[must_use]
    pub const fn unknown_names(&self) -> u64 {
        self.unknown_names
    }

    /// Rows so far that were not read, for none of them is [`Wanted`].
    #[must_use]
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }
}

#[expect(private_bounds, reason = "there are no rows but those of the tables")]
impl<R: Row> Rows<R> {
    /// The next rows, at least one; all of them are handed out by this.
    pub fn next_batch(&mut self) -> Option<Result<&[R], RecordingError>> {
        while self.handed_out == self.batch.len() {
            if let Err(error) = self.advance()? {
                return Some(Err(error));
            }
        }
        let first = std::mem::replace(&mut self.handed_out, self.batch.len());
        Some(Ok(&self.batch[first..]))
    }

    /// Reads another batch, or opens another segment.
    fn advance(&mut self) -> Option<Result<(), RecordingError>> {
        self.handed_out = 0;
        let read =
            match &mut self.open {
                None => {
                    // No row keeps what another segment had in a column that this one lacks.
                    self.batch.clear();
                    let path = self.segments.next()?;
                    let opened = OpenSegment::open::<R>(path, &self.wanted);
                    opened.map(|(segment, passed_over)| {
                        self.open = Some(segment);
                        self.passed_over += passed_over;
                    })
                }
                Some(segment) => segment
                    .read(self.wanted.fields, &mut self.batch)
                    .map(|read| match read {
                        None => self.open = None,
                        Some(unknown_names) => self.unknown_names += unknown_names,
                    }),
            };
        if read.is_err() {
            self.open = None;
        }
        if self.open.is_none() {
            self.batch.clear();
        }
        Some(read)
    }
}

impl<R: Row> Iterator for Rows<R> {
    type Item = Result<R, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.handed_out == self.batch.len() {
            if let Err(error) = self.advance()? {
                return Some(Err(error));
            }
        }
        let row = std::mem::replace(&mut self.batch[self.handed_out], R::blank());
        self.handed_out += 1;
        Some(Ok(row))
    }
}

impl OpenSegment {
    /// Opens a segment, and tells how many of its rows are passed over.
    fn open<R: Row>(path: PathBuf, wanted: &Wanted) -> Result<(Self, u64), RecordingError> {
        let (file, metadata) = footer(&path)?;
        let (batches, passed_over) = reader::<R>(file, metadata, wanted)
            .map_err(|error| RecordingError::damaged(&path, error))?;
        Ok((Self { path, batches }, passed_over))
    }

    /// Reads the next rows into `rows` and returns how many names in them are unknown; `None` at the
    /// end.
    fn read<R: Row>(
        &mut self,
        fields: Fields,
        rows: &mut Vec<R>,
    ) -> Result<Option<u64>, RecordingError> {
        let path = &self.path;
        let Some(batch) = guarded(path, || self.batches.next().transpose())? else {
            return Ok(None);
        };
        rows.resize_with(batch.num_rows(), R::blank);
        let read = schema::read(&batch, fields, rows).map_err(|column| {
            let reason = format!("its column {column} is missing or of another type");
            RecordingError::damaged(path, reason)
        });
        read.map(Some)
    }
}

/// Runs a part of the Parquet decoder, which panics on some damaged files (a negative length in the
/// footer, for one). What it was working on must not be used again after an error.
fn guarded<T, E: ToString>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, RecordingError> {
    match guarded::guarded(decode) {
        Ok(decoded) => decoded.map_err(|error| RecordingError::damaged(path, error)),
        Err(_) => Err(RecordingError::damaged(path, "the decoder gave up on it")),
    }
}

/// Decodes the columns that are wanted, each as the type that it is read from; tells how many rows it
/// passes over.
fn reader<R: Row>(
    file: File,
    metadata: Arc<ParquetMetaData>,
    wanted: &Wanted,
) -> Result<(ParquetRecordBatchReader, u64), ParquetError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let found = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)?;
    let typed = found.schema().fields().iter().map(|field| {
        let column = R::columns()
            .iter()
            .find(|column| column.name == field.name());
        column.map_or_else(
            || Field::clone(field),
            |column| Field::clone(field).with_data_type(column.data_type.clone()),
        )
    });
    let schema = Arc::new(Schema::new(typed.collect::<Vec<_>>()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    let metadata = ArrowReaderMetadata::try_new(metadata, options)?;
    let (row_groups, passed_over) = pruning::row_groups::<R>(&metadata, wanted)?;
    let columns = schema::wanted::<R>(wanted.fields)
        .filter(|column| {
            // What is not there is left as it is in a blank row.
            let may_be_left = column.nullable && R::field(column.name).is_some();
            !may_be_left || !pruning::is_empty(column.name, &row_groups, &metadata)
        })
        .map(|column| column.name);
    let projection = ProjectionMask::columns(metadata.parquet_schema(), columns);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_batch_size(BATCH_ROWS)
        .with_projection(projection)
        .with_row_groups(row_groups)
        .build()?;
    Ok((reader, passed_over))
}

/// Opens a segment and reads what stands at its end.
pub(super) fn footer(path: &Path) -> Result<(File, Arc<ParquetMetaData>), RecordingError> {
    let file = File::open(path).map_err(RecordingError::io("read", path))?;
    let metadata = guarded(path, || {
        ParquetMetaDataReader::new().parse_and_finish(&file)
    })?;
    let format = format_of(&metadata)
        .ok_or_else(|| RecordingError::damaged(path, format!("it lacks {FORMAT_KEY}")))?;
    if format > FORMAT {
        return Err(RecordingError::Newer {
            path: path.to_owned(),
            format,
        });
    }
    Ok((file, Arc::new(metadata)))
}

fn format_of(metadata: &ParquetMetaData) -> Option<u32> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let pair = pairs.iter().find(|pair| pair.key == FORMAT_KEY)?;
    pair.value.as_ref()?.parse().ok()
}
