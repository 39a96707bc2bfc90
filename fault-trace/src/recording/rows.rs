//! Reading the rows of a table back, segment by segment.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::RecordBatch;
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
    FORMAT, FORMAT_KEY, RecordingError,
    column::Column,
    schema::{self, Row},
};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8192;

/// The rows of a table in the order in which they were written; one batch is in memory at a time.
///
/// A segment that turns out to be damaged yields one error, and reading goes on with the next one.
pub struct Rows<R> {
    segments: std::vec::IntoIter<PathBuf>,
    open: Option<OpenSegment>,
    batch: std::vec::IntoIter<R>,
    unknown_names: u64,
}

struct OpenSegment {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
}

impl<R> Rows<R> {
    pub(super) fn new(segments: Vec<PathBuf>) -> Self {
        Self {
            segments: segments.into_iter(),
            open: None,
            batch: Vec::new().into_iter(),
            unknown_names: 0,
        }
    }

    /// Names that a newer version has written, in the rows so far: their classes read as
    /// [`Class::Unknown`](fault_trace_common::Class::Unknown).
    #[must_use]
    pub const fn unknown_names(&self) -> u64 {
        self.unknown_names
    }
}

impl<R: Row> Iterator for Rows<R> {
    type Item = Result<R, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.batch.next() {
                return Some(Ok(row));
            }
            match next_batch(self)? {
                Ok(rows) => self.batch = rows.into_iter(),
                Err(error) => {
                    self.open = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The next batch, or an empty one between segments.
fn next_batch<R: Row>(rows: &mut Rows<R>) -> Option<Result<Vec<R>, RecordingError>> {
    let Some(segment) = &mut rows.open else {
        let path = rows.segments.next()?;
        return Some(OpenSegment::open::<R>(path).map(|segment| {
            rows.open = Some(segment);
            Vec::new()
        }));
    };
    let path = &segment.path;
    let batch = match guarded(path, || segment.batches.next().transpose()) {
        Ok(Some(batch)) => batch,
        Ok(None) => {
            rows.open = None;
            return Some(Ok(Vec::new()));
        }
        Err(error) => return Some(Err(error)),
    };
    let decoded = decode(path, &batch);
    Some(decoded.map(|(decoded, unknown_names)| {
        rows.unknown_names += unknown_names;
        decoded
    }))
}

impl OpenSegment {
    fn open<R: Row>(path: PathBuf) -> Result<Self, RecordingError> {
        let (file, metadata) = footer(&path)?;
        let batches =
            reader::<R>(file, metadata).map_err(|error| RecordingError::damaged(&path, error))?;
        Ok(Self { path, batches })
    }
}

/// Runs a part of the Parquet decoder, which panics on some damaged files (a negative length in the
/// footer, for one). What it was working on must not be used again after an error.
fn guarded<T, E: ToString>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, E>,
) -> Result<T, RecordingError> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| RecordingError::damaged(path, error)),
        Err(_) => Err(RecordingError::damaged(path, "the decoder gave up on it")),
    }
}

fn decode<R: Row>(path: &Path, batch: &RecordBatch) -> Result<(Vec<R>, u64), RecordingError> {
    schema::rows(batch).map_err(|column| {
        let reason = format!("its column {column} is missing or of another type");
        RecordingError::damaged(path, reason)
    })
}

/// Decodes the columns that the rows need, each as the type that it is read from.
fn reader<R: Row>(
    file: File,
    metadata: Arc<ParquetMetaData>,
) -> Result<ParquetRecordBatchReader, ParquetError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let found = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)?;
    let wanted = found.schema().fields().iter().map(|field| {
        let column = R::columns()
            .iter()
            .find(|column| column.name == field.name());
        column.map_or_else(
            || Field::clone(field),
            |column| Field::clone(field).with_data_type(column.data_type.clone()),
        )
    });
    let schema = Arc::new(Schema::new(wanted.collect::<Vec<_>>()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    let metadata = ArrowReaderMetadata::try_new(metadata, options)?;
    let needed = R::columns().iter().filter(|column| column.is_read());
    let needed: Vec<&str> = needed.map(|column: &Column<R>| column.name).collect();
    let projection = ProjectionMask::columns(metadata.parquet_schema(), needed);
    ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_batch_size(BATCH_ROWS)
        .with_projection(projection)
        .build()
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
