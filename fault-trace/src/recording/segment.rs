//! Writing one table: rows are gathered, encoded in batches, and cut into segments.

use std::{
    fs,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use arrow_schema::SchemaRef;
use parquet::{
    arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions},
    basic::Encoding as ParquetEncoding,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
    },
    schema::types::ColumnPath,
};

use super::{
    FORMAT, FORMAT_KEY, RecordingError,
    column::Encoding,
    columns::Columns,
    dictionary, files,
    schema::{self, Row},
};

/// A segment is closed when it has so many rows (3 to 11 MB of faults, in memory until it is closed).
pub const SEGMENT_ROWS: u64 = 1 << 20;
/// Rows that are encoded at once, at most.
const BATCH_ROWS: usize = 4096;
/// So many are encoded without being gathered first: copying them costs more than another batch.
const MANY_ROWS: usize = 512;

/// How the columns of a table are stored.
fn properties<R: Row>() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_created_by(concat!("fault-trace ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(dictionary::compression())
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(false)
        // Pages are cut by their size alone: larger ones compress better, by 6 % of a compiler's faults.
        .set_data_page_row_count_limit(SEGMENT_ROWS as usize)
        .set_key_value_metadata(Some(vec![KeyValue::new(
            FORMAT_KEY.to_owned(),
            FORMAT.to_string(),
        )]));
    for column in R::columns() {
        let path = ColumnPath::from(column.name);
        properties = match column.encoding {
            Encoding::Dictionary => properties.set_column_dictionary_enabled(path, true),
            // Minima and maxima let engines skip row groups; of names they would cost 13 ns a row.
            Encoding::Delta => properties
                .set_column_encoding(path.clone(), ParquetEncoding::DELTA_BINARY_PACKED)
                .set_column_statistics_enabled(path, EnabledStatistics::Chunk),
            Encoding::RunLength => properties.set_column_encoding(path, ParquetEncoding::RLE),
            Encoding::Plain => properties.set_column_encoding(path, ParquetEncoding::PLAIN),
        };
    }
    properties.build()
}

/// A segment that is being written.
struct Segment<R> {
    temporary: PathBuf,
    rows: u64,
    schema: SchemaRef,
    columns: Columns,
    row: PhantomData<R>,
}

impl<R: Row> Segment<R> {
    fn create(path: &Path) -> Result<Self, RecordingError> {
        let temporary = files::temporary(path);
        let schema = schema::arrow_schema::<R>();
        // The columns say all there is to say; Arrow's own copy of the schema would only take space.
        let options = ArrowWriterOptions::new()
            .with_properties(properties::<R>())
            .with_skip_arrow_metadata(true);
        let file = files::create_file(&temporary)?;
        let writer = ArrowWriter::try_new_with_options(file, SchemaRef::clone(&schema), options)
            .map_err(RecordingError::encode(&temporary))?;
        let columns = Columns::open::<R>(writer).map_err(RecordingError::encode(&temporary))?;
        Ok(Self {
            temporary,
            rows: 0,
            schema,
            columns,
            row: PhantomData,
        })
    }

    fn write(&mut self, rows: &[R]) -> Result<(), RecordingError> {
        self.columns
            .write(&self.schema, rows)
            .map_err(RecordingError::encode(&self.temporary))?;
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Completes the file and gives it its name.
    fn close(self, path: &Path) -> Result<(), RecordingError> {
        self.columns
            .finish(self.rows)
            .map_err(RecordingError::encode(&self.temporary))?;
        fs::rename(&self.temporary, path).map_err(RecordingError::io("create", path))
    }
}

/// A table being written, whatever its rows.
pub(super) trait Table {
    /// Closes the open segment, if it has rows.
    fn roll(&mut self) -> Result<(), RecordingError>;

    /// Closes the open segment; a table without rows gets an empty one, for query engines fail on a
    /// pattern that matches no file.
    fn finish(&mut self) -> Result<(), RecordingError>;

    /// Rows that could not be written.
    fn lost_rows(&self) -> u64;

    /// Finished segments.
    fn segments(&self) -> u32;
}

/// Writes a table, segment by segment.
pub(super) struct TableWriter<R> {
    folder: PathBuf,
    /// Rows that are not encoded yet, fewer than [`BATCH_ROWS`].
    rows: Vec<R>,
    segment: Option<Segment<R>>,
    /// Finished segments, and the number of the next.
    finished: u32,
    /// Rows in finished segments.
    pub(super) finished_rows: u64,
    lost_rows: u64,
}

impl<R: Row> TableWriter<R> {
    pub(super) fn new(recording: &Path) -> Self {
        Self {
            folder: recording.join(R::TABLE),
            rows: Vec::with_capacity(BATCH_ROWS),
            segment: None,
            finished: 0,
            finished_rows: 0,
            lost_rows: 0,
        }
    }

    pub(super) fn push(&mut self, row: R) -> Result<(), RecordingError> {
        self.rows.push(row);
        if self.rows.len() < BATCH_ROWS {
            return Ok(());
        }
        self.encode_gathered()
    }

    /// Adds rows; many are encoded from where they are.
    pub(super) fn push_all(&mut self, mut rows: &[R]) -> Result<(), RecordingError> {
        while !rows.is_empty() {
            let free = BATCH_ROWS - self.rows.len();
            let (now, later) = rows.split_at(free.min(rows.len()));
            rows = later;
            if now.len() >= MANY_ROWS {
                if !self.rows.is_empty() {
                    self.encode_gathered()?;
                }
                self.encode(now)?;
                continue;
            }
            self.rows.extend_from_slice(now);
            if self.rows.len() == BATCH_ROWS {
                self.encode_gathered()?;
            }
        }
        Ok(())
    }

    fn encode_gathered(&mut self) -> Result<(), RecordingError> {
        let mut rows = std::mem::take(&mut self.rows);
        let encoded = self.encode(&rows);
        rows.clear();
        self.rows = rows;
        encoded
    }

    /// Encodes rows into the open segment, and closes it when it has enough.
    fn encode(&mut self, rows: &[R]) -> Result<(), RecordingError> {
        self.encode_into_segment(rows)?;
        match &self.segment {
            Some(segment) if segment.rows >= SEGMENT_ROWS => self.close(),
            _ => Ok(()),
        }
    }

    fn path(&self, number: u32) -> PathBuf {
        files::segment(&self.folder, number)
    }

    /// Encodes rows into the open segment; opens one if there is none.
    fn encode_into_segment(&mut self, rows: &[R]) -> Result<(), RecordingError> {
        let encoded = self.write(rows);
        if encoded.is_err() {
            self.lost_rows += rows.len() as u64;
            if let Some(segment) = self.segment.take() {
                self.lost_rows += segment.rows;
                discard(&segment.temporary);
            }
        }
        encoded
    }

    fn write(&mut self, rows: &[R]) -> Result<(), RecordingError> {
        let path = self.path(self.finished);
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => none.insert(Segment::create(&path)?),
        };
        segment.write(rows)
    }

    fn close(&mut self) -> Result<(), RecordingError> {
        let Some(segment) = self.segment.take() else {
            return Ok(());
        };
        let (temporary, rows) = (segment.temporary.clone(), segment.rows);
        if let Err(error) = segment.close(&self.path(self.finished)) {
            self.lost_rows += rows;
            discard(&temporary);
            return Err(error);
        }
        self.finished += 1;
        self.finished_rows += rows;
        Ok(())
    }
}

impl<R: Row> Table for TableWriter<R> {
    fn roll(&mut self) -> Result<(), RecordingError> {
        if !self.rows.is_empty() {
            self.encode_gathered()?;
        }
        self.close()
    }

    fn finish(&mut self) -> Result<(), RecordingError> {
        self.roll()?;
        if self.finished == 0 {
            self.encode_into_segment(&[])?;
            self.close()?;
        }
        (0..self.finished).try_for_each(|number| files::sync(&self.path(number)))?;
        files::sync(&self.folder)
    }

    fn lost_rows(&self) -> u64 {
        self.lost_rows
    }

    fn segments(&self) -> u32 {
        self.finished
    }
}

/// Removes what a failed write has left, to give its space back. That it may fail as well changes
/// nothing: readers report such files.
fn discard(temporary: &Path) {
    let _ = fs::remove_file(temporary);
}
