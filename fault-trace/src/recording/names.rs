//! The chunk of a column of names, encoded as it comes. All names are known beforehand and each value is
//! the number of one, so nothing needs to be looked up: a writer that takes text hashes every value, which
//! was a quarter of what a fault costs.

use bytes::Bytes;
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    column::{
        page::{CompressedPage, Page, PageWriter as _},
        writer::ColumnCloseResult,
    },
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, OffsetIndexBuilder},
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

/// Values a page.
const PAGE_ROWS: usize = 1 << 16;

/// A chunk that grows in memory.
pub(super) struct NamesChunk {
    column: ColumnDescPtr,
    /// Bits that the number of a name takes.
    bits: u8,
    names: u32,
    /// The dictionary page, then full pages.
    sink: TrackedWrite<Vec<u8>>,
    /// Values of the open page.
    open: Vec<u8>,
    rows: usize,
    data_starts: usize,
    uncompressed_bytes: usize,
    offsets: OffsetIndexBuilder,
}

impl NamesChunk {
    /// A chunk of values that are numbers of `names`.
    ///
    /// # Errors
    /// As [`NamesChunk::push`].
    pub(super) fn new(column: ColumnDescPtr, names: &[&'static str]) -> Result<Self> {
        let mut dictionary = Vec::new();
        for name in names {
            let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
            dictionary.extend(length.to_le_bytes());
            dictionary.extend(name.as_bytes());
        }
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let mut chunk = Self {
            column,
            bits: (u32::BITS - count.saturating_sub(1).leading_zeros()).max(1) as u8,
            names: count,
            sink: TrackedWrite::new(Vec::new()),
            open: Vec::with_capacity(PAGE_ROWS),
            rows: 0,
            data_starts: 0,
            uncompressed_bytes: 0,
            offsets: OffsetIndexBuilder::new(),
        };
        let uncompressed = dictionary.len();
        let page = Page::DictionaryPage {
            buf: compressed(&dictionary)?,
            num_values: count,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        chunk.write(page, uncompressed)?;
        chunk.data_starts = chunk.sink.bytes_written();
        Ok(chunk)
    }

    /// Adds values.
    ///
    /// # Errors
    /// A page cannot be compressed.
    pub(super) fn push(&mut self, mut values: &[u8]) -> Result<()> {
        while !values.is_empty() {
            let free = PAGE_ROWS - self.open.len();
            let (now, later) = values.split_at(free.min(values.len()));
            self.open.extend_from_slice(now);
            if self.open.len() == PAGE_ROWS {
                self.close_page()?;
            }
            values = later;
        }
        Ok(())
    }

    /// The chunk's bytes and what the file says of them.
    ///
    /// # Errors
    /// As [`NamesChunk::push`].
    pub(super) fn close(mut self) -> Result<(Bytes, ColumnCloseResult)> {
        if !self.open.is_empty() {
            self.close_page()?;
        }
        let bytes = Bytes::from(self.sink.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(compression())
            .set_encodings(vec![
                Encoding::PLAIN,
                Encoding::RLE,
                Encoding::RLE_DICTIONARY,
            ])
            .set_num_values(self.rows as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(self.uncompressed_bytes as i64)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(self.data_starts as i64)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(self.offsets.build()),
        };
        Ok((bytes, close))
    }

    fn close_page(&mut self) -> Result<()> {
        if let Some(&value) = self
            .open
            .iter()
            .find(|&&value| u32::from(value) >= self.names)
        {
            let message = format!("there is no name {value}, only {}", self.names);
            return Err(ParquetError::General(message));
        }
        let mut encoded = vec![self.bits];
        encode(&mut encoded, &self.open, self.bits);
        let rows = self.open.len() as u32;
        let page = Page::DataPageV2 {
            buf: compressed(&encoded)?,
            num_values: rows,
            encoding: Encoding::RLE_DICTIONARY,
            num_nulls: 0,
            num_rows: rows,
            def_levels_byte_len: 0,
            rep_levels_byte_len: 0,
            is_compressed: true,
            statistics: None,
        };
        let (starts, bytes) = self.write(page, encoded.len())?;
        self.offsets.append_row_count(i64::from(rows));
        self.offsets.append_offset_and_size(starts, bytes);
        self.rows += self.open.len();
        self.open.clear();
        Ok(())
    }

    /// Where the page begins and how long it is, with its header.
    fn write(&mut self, page: Page, uncompressed_bytes: usize) -> Result<(i64, i32)> {
        let page = CompressedPage::new(page, uncompressed_bytes);
        let written = SerializedPageWriter::new(&mut self.sink).write_page(page)?;
        self.uncompressed_bytes += written.uncompressed_size;
        let failed = |error: std::num::TryFromIntError| ParquetError::External(error.into());
        Ok((
            i64::try_from(written.offset).map_err(failed)?,
            i32::try_from(written.bytes_written).map_err(failed)?,
        ))
    }
}

/// How all columns are compressed.
pub(super) fn compression() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

fn compressed(bytes: &[u8]) -> Result<Bytes> {
    let level = ZstdLevel::default().compression_level();
    let compressed = zstd::bulk::compress(bytes, level);
    Ok(compressed
        .map_err(|error| ParquetError::External(error.into()))?
        .into())
}

/// Parquet's hybrid of runs and bit-packed groups of eight; `bits` is at most 8.
fn encode(out: &mut Vec<u8>, values: &[u8], bits: u8) {
    const GROUP: usize = 8;
    let (mut packed_from, mut at) = (0, 0);
    while at < values.len() {
        let same = |value: &&u8| **value == values[at];
        let run = values[at..].iter().take_while(same).count();
        // Groups are whole, but for the last: what fills this one up comes from the run.
        let packed = at - packed_from;
        let fill = packed.next_multiple_of(GROUP) - packed;
        if run >= fill + GROUP {
            pack(out, &values[packed_from..at + fill], bits);
            length(out, (run - fill) << 1);
            out.push(values[at]);
            packed_from = at + run;
        }
        at += run;
    }
    pack(out, &values[packed_from..], bits);
}

/// A run of bit-packed groups; what is missing in the last is 0.
fn pack(out: &mut Vec<u8>, values: &[u8], bits: u8) {
    if values.is_empty() {
        return;
    }
    let (groups, rest) = values.as_chunks::<8>();
    length(out, values.len().div_ceil(8) << 1 | 1);
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let last = (!rest.is_empty()).then_some(&last);
    for group in groups.iter().chain(last) {
        let mut word = 0_u64;
        for (value, index) in group.iter().zip(0_u32..) {
            word |= u64::from(*value) << (index * u32::from(bits));
        }
        out.extend(&word.to_le_bytes()[..usize::from(bits)]);
    }
}

/// A number in seven bits a byte, the lowest first.
fn length(out: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests;
