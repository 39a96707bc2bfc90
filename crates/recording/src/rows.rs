//! Reading the rows of a table back, segment by segment.

use std::{ffi::OsString, sync::Arc};

use arrow_schema::{Field, Schema};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
            ParquetRecordBatchReaderBuilder,
        },
    },
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};

use super::{
    FORMAT, FORMAT_KEY, RecordingError, inspection, pruning,
    schema::{self, Row},
    source::Source,
    wanted::Wanted,
};
use fault_trace_base::folder::Folder;
use fault_trace_base::guarded;
use fault_trace_model::{Fields, damage::DamagedFile};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8192;

/// Bound of a row's moment, and of the time that all rows together spent, ns: 146 years. Whoever adds them up
/// need not expect that a sum overflows.
const MAX_NS: u64 = 1 << 62;

/// The rows of a table in the order in which they were written; one batch is in memory at a time.
///
/// A segment that turns out to be damaged yields one error, and reading goes on with the next one.
pub struct Rows<R> {
    segments: std::vec::IntoIter<SegmentFile>,
    wanted: Wanted,
    open: Option<OpenSegment>,
    /// The rows of the last batch; those of the next are written over them.
    batch: Vec<R>,
    /// How many of them the iterator has handed out.
    handed_out: usize,
    unknown_names: u64,
    passed_over: u64,
    /// The time that the rows so far spent, ns: at most [`MAX_NS`].
    spent_ns: u64,
}

/// A segment by its name in the folder of its table.
#[derive(Clone, Debug)]
pub(super) struct SegmentFile {
    pub(super) folder: Arc<Folder>,
    pub(super) name: OsString,
}

struct OpenSegment {
    file: SegmentFile,
    batches: ParquetRecordBatchReader,
    /// Rows that are still to come.
    rows_left: u64,
}

impl<R> Rows<R> {
    pub(super) fn new(segments: Vec<SegmentFile>, wanted: Wanted) -> Self {
        Self {
            segments: segments.into_iter(),
            wanted,
            open: None,
            batch: Vec::new(),
            handed_out: 0,
            unknown_names: 0,
            passed_over: 0,
            spent_ns: 0,
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
    pub fn next_batch(&mut self) -> Option<Result<&[R], DamagedFile>> {
        while self.handed_out == self.batch.len() {
            if let Err(error) = self.advance()? {
                return Some(Err(error));
            }
        }
        let first = std::mem::replace(&mut self.handed_out, self.batch.len());
        Some(Ok(&self.batch[first..]))
    }

    /// Reads another batch, or opens another segment.
    fn advance(&mut self) -> Option<Result<(), DamagedFile>> {
        self.handed_out = 0;
        let read = match &mut self.open {
            None => {
                // No row keeps what another segment had in a column that this one lacks.
                self.batch.clear();
                let file = self.segments.next()?;
                let opened = OpenSegment::open::<R>(file, &self.wanted);
                opened.map(|(segment, passed_over)| {
                    self.open = Some(segment);
                    self.passed_over += passed_over;
                })
            }
            Some(segment) => segment
                .read(self.wanted.fields, &mut self.batch, &mut self.spent_ns)
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
    type Item = Result<R, DamagedFile>;

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

impl SegmentFile {
    /// Opens the segment and reads what stands at its end. Returns its rows as well.
    pub(super) fn footer(&self) -> Result<(Source, Arc<ParquetMetaData>, u64), DamagedFile> {
        self.try_footer()
            .map_err(|reason| self.damaged(None, &reason))
    }

    fn try_footer(&self) -> Result<(Source, Arc<ParquetMetaData>, u64), String> {
        let opened = self.folder.open_file(&self.name).and_then(Source::new);
        let source = opened.map_err(|error| error.to_string())?;
        let footer = footer(&source)?;
        inspection::check_footer(&footer)?;
        let metadata = guarded(|| ParquetMetaDataReader::decode_metadata(&footer))?;
        let format = format_of(&metadata).ok_or_else(|| format!("it lacks {FORMAT_KEY}"))?;
        if format > FORMAT {
            let path = self.folder.path().join(&self.name);
            return Err(RecordingError::Newer { path, format }.to_string());
        }
        let rows = inspection::rows(&metadata).ok_or("its numbers of rows cannot be")?;
        Ok((source, Arc::new(metadata), rows))
    }

    pub(super) fn damaged(&self, rows: Option<u64>, reason: &str) -> DamagedFile {
        let path = self.folder.path().join(&self.name);
        DamagedFile {
            file: path.display().to_string(),
            rows,
            reason: reason.to_owned(),
        }
    }
}

impl OpenSegment {
    /// Opens a segment, and tells how many of its rows are passed over.
    fn open<R: Row>(file: SegmentFile, wanted: &Wanted) -> Result<(Self, u64), DamagedFile> {
        let (source, metadata, rows) = file.footer()?;
        let opened = guarded(|| reader::<R>(source, metadata, wanted));
        let (batches, passed_over) = opened.map_err(|reason| file.damaged(Some(rows), &reason))?;
        let segment = Self {
            file,
            batches,
            rows_left: rows.saturating_sub(passed_over),
        };
        Ok((segment, passed_over))
    }

    /// Reads the next rows into `rows`, adds what they spent to `spent_ns`, and returns how many names in
    /// them are unknown; `None` at the end.
    fn read<R: Row>(
        &mut self,
        fields: Fields,
        rows: &mut Vec<R>,
        spent_ns: &mut u64,
    ) -> Result<Option<u64>, DamagedFile> {
        let damaged = |reason: &str| self.file.damaged(Some(self.rows_left), reason);
        let decoded = guarded(|| self.batches.next().transpose());
        let Some(batch) = decoded.map_err(|reason| damaged(&reason))? else {
            if self.rows_left > 0 {
                return Err(damaged("it ends too soon"));
            }
            return Ok(None);
        };
        rows.resize_with(batch.num_rows(), R::blank);
        let unknown_names = schema::read(&batch, fields, rows).map_err(|column| {
            damaged(&format!(
                "its column {column} is missing or of another type"
            ))
        })?;
        *spent_ns =
            spent_until(*spent_ns, rows).ok_or_else(|| damaged("it holds impossible times"))?;
        self.rows_left = self.rows_left.saturating_sub(batch.num_rows() as u64);
        Ok(Some(unknown_names))
    }
}

/// Adds the time that rows spent to that of the rows before; `None` where that, or a moment, cannot be.
fn spent_until<R: Row>(before_ns: u64, rows: &[R]) -> Option<u64> {
    let mut spent_ns = before_ns;
    for row in rows {
        spent_ns = spent_ns.saturating_add(row.spent_ns());
        if row.moment_ns() > MAX_NS {
            return None;
        }
    }
    Some(spent_ns).filter(|&spent_ns| spent_ns <= MAX_NS)
}

/// Runs a part of the Parquet decoder, which panics on some damaged files (a negative length in the
/// footer, for one). What it was working on must not be used again after an error.
fn guarded<T, E: ToString>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match guarded::guarded(decode) {
        Ok(decoded) => decoded.map_err(|error| error.to_string()),
        Err(_) => Err("the decoder gave up on it".to_owned()),
    }
}

/// Decodes the columns that are wanted, each as the type that it is read from; tells how many rows it
/// passes over.
fn reader<R: Row>(
    source: Source,
    metadata: Arc<ParquetMetaData>,
    wanted: &Wanted,
) -> Result<(ParquetRecordBatchReader, u64), String> {
    let told = |error: parquet::errors::ParquetError| error.to_string();
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let found = ArrowReaderMetadata::try_new(Arc::clone(&metadata), options).map_err(told)?;
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
    let metadata = ArrowReaderMetadata::try_new(metadata, options).map_err(told)?;
    let (row_groups, passed_over) = pruning::row_groups::<R>(&metadata, wanted).map_err(told)?;
    let columns = schema::wanted::<R>(wanted.fields)
        .filter(|column| {
            // What is not there is left as it is in a blank row.
            let may_be_left = column.nullable && column.part.is_some();
            !may_be_left || !pruning::is_empty(column.name, &row_groups, &metadata)
        })
        .map(|column| column.name);
    let projection = ProjectionMask::columns(metadata.parquet_schema(), columns);
    let rows_at_once = inspection::check_pages(
        &source,
        metadata.metadata(),
        &row_groups,
        |column| projection.leaf_included(column),
        BATCH_ROWS,
    )?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(source, metadata)
        .with_batch_size(rows_at_once)
        .with_projection(projection)
        .with_row_groups(row_groups)
        .build()
        .map_err(told)?;
    Ok((reader, passed_over))
}

/// What describes the file, at its end: before its own length and the letters that end it.
fn footer(source: &Source) -> Result<bytes::Bytes, String> {
    const TAIL: usize = 8;
    let read = |at, length| source.read(at, length).map_err(|error| error.to_string());
    let not_parquet = || "it is cut short, or no Parquet file".to_owned();
    let tail_at = source
        .len()
        .checked_sub(TAIL as u64)
        .ok_or_else(not_parquet)?;
    let tail = read(tail_at, TAIL)?;
    let (length, letters) = tail.split_at_checked(4).ok_or_else(not_parquet)?;
    let length = length.try_into().map(u32::from_le_bytes).unwrap_or(0);
    let start = tail_at.checked_sub(length.into());
    let start = start
        .filter(|_| letters == b"PAR1")
        .ok_or_else(not_parquet)?;
    match usize::try_from(length) {
        Ok(length) if length <= inspection::MAX_FOOTER_BYTES => read(start, length),
        _ => Err("its description is larger than any that record writes".to_owned()),
    }
}

fn format_of(metadata: &ParquetMetaData) -> Option<u32> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let pair = pairs.iter().find(|pair| pair.key == FORMAT_KEY)?;
    pair.value.as_ref()?.parse().ok()
}
