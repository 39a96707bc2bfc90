//! Writing one table: rows are gathered, encoded in batches, and cut into segments.

use std::{ffi::OsStr, marker::PhantomData, path::PathBuf, sync::Arc};

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
use fault_trace_base::folder::Folder;

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
    folder: Arc<Folder>,
    name: String,
    rows: u64,
    schema: SchemaRef,
    columns: Columns,
    row: PhantomData<R>,
}

impl<R: Row> Segment<R> {
    fn create(folder: &Arc<Folder>, number: u32) -> Result<Self, RecordingError> {
        let name = files::segment(number);
        let temporary = files::temporary(&name);
        let path = folder.path().join(&temporary);
        let schema = schema::arrow_schema::<R>();
        // The columns say all there is to say; Arrow's own copy of the schema would only take space.
        let options = ArrowWriterOptions::new()
            .with_properties(properties::<R>())
            .with_skip_arrow_metadata(true);
        let file = folder
            .create_file(OsStr::new(&temporary))
            .map_err(RecordingError::io("create", &path))?;
        let columns = ArrowWriter::try_new_with_options(file, SchemaRef::clone(&schema), options)
            .and_then(Columns::open::<R>)
            .map_err(|error| {
                discard(folder, &name);
                RecordingError::encode(&path)(error)
            })?;
        Ok(Self {
            folder: Arc::clone(folder),
            name,
            rows: 0,
            schema,
            columns,
            row: PhantomData,
        })
    }

    fn temporary_path(&self) -> PathBuf {
        self.folder.path().join(files::temporary(&self.name))
    }

    fn write(&mut self, rows: &[R]) -> Result<(), RecordingError> {
        let written = self.columns.write(&self.schema, rows);
        written.map_err(|error| RecordingError::encode(&self.temporary_path())(error))?;
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// Completes the file and gives it its name.
    fn close(self) -> Result<(), RecordingError> {
        let temporary = self.temporary_path();
        let Self {
            folder,
            name,
            columns,
            rows,
            ..
        } = self;
        let closed = columns
            .finish(rows)
            .map_err(RecordingError::encode(&temporary))
            .and_then(|()| {
                let temporary = files::temporary(&name);
                let renamed = folder.rename(OsStr::new(&temporary), OsStr::new(&name));
                renamed.map_err(RecordingError::io("create", &folder.path().join(&name)))
            });
        if closed.is_err() {
            discard(&folder, &name);
        }
        closed
    }
}

/// A table being written, whatever its rows.
pub(super) trait Table {
    /// Closes the open segment, if it has rows.
    fn roll(&mut self) -> Result<(), RecordingError>;

    /// Closes the open segment; a table without rows gets an empty one, for query engines fail on a
    /// pattern that matches no file.
    fn finish(&mut self) -> Result<(), RecordingError>;

    /// The folder of its segments.
    fn name(&self) -> &'static str;

    /// Rows that could not be written.
    fn lost_rows(&self) -> u64;

    /// Finished segments.
    fn segments(&self) -> u32;
}

/// Writes a table, segment by segment.
pub(super) struct TableWriter<R> {
    folder: Arc<Folder>,
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
    /// Into the folder of the table.
    pub(super) fn new(folder: Folder) -> Self {
        Self {
            folder: Arc::new(folder),
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

    /// Encodes rows into the open segment; opens one if there is none.
    fn encode_into_segment(&mut self, rows: &[R]) -> Result<(), RecordingError> {
        let encoded = self.write(rows);
        if encoded.is_err() {
            self.lost_rows += rows.len() as u64;
            if let Some(segment) = self.segment.take() {
                self.lost_rows += segment.rows;
                discard(&segment.folder, &segment.name);
            }
        }
        encoded
    }

    fn write(&mut self, rows: &[R]) -> Result<(), RecordingError> {
        let segment = match &mut self.segment {
            Some(segment) => segment,
            none => none.insert(Segment::create(&self.folder, self.finished)?),
        };
        segment.write(rows)
    }

    fn close(&mut self) -> Result<(), RecordingError> {
        let Some(segment) = self.segment.take() else {
            return Ok(());
        };
        let rows = segment.rows;
        if let Err(error) = segment.close() {
            self.lost_rows += rows;
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
        for number in 0..self.finished {
            let name = files::segment(number);
            let opened = self.folder.open_file(OsStr::new(&name));
            opened
                .and_then(|file| file.sync_all())
                .map_err(RecordingError::io("sync", &self.folder.path().join(name)))?;
        }
        let synced = self.folder.sync();
        synced.map_err(RecordingError::io("sync", self.folder.path()))
    }

    fn name(&self) -> &'static str {
        R::TABLE
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
fn discard(folder: &Folder, name: &str) {
    let _ = folder.remove_file(OsStr::new(&files::temporary(name)));
}
