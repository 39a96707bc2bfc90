//! The chunk of a column of few distinct values, encoded as it comes. Mostly a value is the one before, and
//! names are numbers from the start: a writer that takes arrays hashes every value, and the whole of a fault
//! took a quarter more CPU.

use std::num::NonZeroU32;

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt as _};
use parquet::{
    basic::{Compression, Encoding, Type, ZstdLevel},
    column::{
        page::{CompressedPage, Page, PageWriter as _},
        writer::ColumnCloseResult,
    },
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, OffsetIndexBuilder},
        statistics::Statistics,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

use super::runs::{Runs, bits_for};

/// Rows a page, about: one is closed between batches. A quarter of it takes 3 % more bytes, of a compiler's faults;
/// until it is closed a column takes 8 bytes a row at most.
const PAGE_ROWS: usize = 1 << 18;

/// Numbers below this, as ids mostly are, have their place in a table.
const SMALL: u64 = 1 << 18;
/// Size of the direct-mapped cache for large numbers. Must be a power of two.
const RECENT: usize = 64;

/// A chunk that grows in memory.
pub(super) struct DictionaryChunk {
    column: ColumnDescPtr,
    dictionary: Dictionary,
    /// Places in the dictionary: the values of the open page.
    places: Runs,
    /// Whether a row of the open page has a value, 1 or 0. Not of a column that must have values.
    levels: Option<Runs>,
    /// Rows in closed pages.
    rows: usize,
    nulls: usize,
    /// Closed pages.
    pages: TrackedWrite<Vec<u8>>,
    /// Rows, and bytes with the header, of each closed page.
    sizes: Vec<(usize, usize)>,
    uncompressed_bytes: usize,
}

/// The distinct values of a chunk, by their places.
enum Dictionary {
    /// All are known beforehand.
    Names(&'static [&'static str]),
    Numbers(Box<Numbers>),
}

/// As they come.
struct Numbers {
    values: Vec<u64>,
    /// By number, as far as needed: the place, plus 1.
    small: Vec<Option<NonZeroU32>>,
    large: HashMap<u64, u32>,
    /// The last large ones and their places: the threads of a few CPUs take turns.
    recent: [Option<(u64, u32)>; RECENT],
}

impl DictionaryChunk {
    /// A chunk of names.
    pub(super) fn of_names(column: ColumnDescPtr, names: &'static [&'static str]) -> Self {
        Self::new(column, Dictionary::Names(names))
    }

    /// A chunk of unsigned numbers.
    pub(super) fn of_numbers(column: ColumnDescPtr) -> Self {
        let numbers = Numbers {
            values: Vec::new(),
            small: Vec::new(),
            large: HashMap::new(),
            recent: [None; RECENT],
        };
        Self::new(column, Dictionary::Numbers(Box::new(numbers)))
    }

    fn new(column: ColumnDescPtr, dictionary: Dictionary) -> Self {
        let optional = column.max_def_level() != 0;
        Self {
            column,
            dictionary,
            places: Runs::default(),
            levels: optional.then(Runs::default),
            rows: 0,
            nulls: 0,
            pages: TrackedWrite::new(Vec::new()),
            sizes: Vec::new(),
            uncompressed_bytes: 0,
        }
    }

    /// Adds a row with the name of this number. One that there is not is an error later.
    #[inline]
    pub(super) fn push_name(&mut self, number: u8) {
        self.push_place(number.into());
    }

    /// Adds a row with this number.
    #[inline]
    pub(super) fn push_number(&mut self, number: u64) {
        let place = match &mut self.dictionary {
            Dictionary::Numbers(numbers) => numbers.place(number),
            Dictionary::Names(_) => u32::MAX,
        };
        self.push_place(place);
    }

    /// Adds a row without a value; of a column that must have values an error later.
    #[inline]
    pub(super) fn push_null(&mut self) {
        match &mut self.levels {
            Some(levels) => levels.push(0),
            None => self.places.push(u32::MAX),
        }
    }

    #[inline]
    fn push_place(&mut self, place: u32) {
        self.places.push(place);
        if let Some(levels) = &mut self.levels {
            levels.push(1);
        }
    }

    /// To be called now and then: closes the page when it has enough.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.open_rows() < PAGE_ROWS {
            return Ok(());
        }
        self.close_page()
    }

    /// The chunk's bytes and what the file says of them.
    ///
    /// # Errors
    /// The open page cannot be encoded.
    pub(super) fn close(mut self) -> Result<(Bytes, ColumnCloseResult)> {
        if self.open_rows() != 0 {
            self.close_page()?;
        }
        let mut sink = TrackedWrite::new(Vec::new());
        let dictionary = self.dictionary.encoded(self.column.physical_type())?;
        let page = Page::DictionaryPage {
            buf: compressed(&dictionary)?,
            num_values: self.dictionary.len(),
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        self.uncompressed_bytes += write(&mut sink, page, dictionary.len())?;
        let data_starts = sink.bytes_written();
        let mut bytes = sink.into_inner()?;
        bytes.append(&mut self.pages.into_inner()?);
        let mut offsets = OffsetIndexBuilder::new();
        let mut starts = data_starts;
        for (rows, bytes) in self.sizes {
            offsets.append_row_count(rows as i64);
            offsets.append_offset_and_size(starts as i64, bytes as i32);
            starts += bytes;
        }
        let mut metadata = ColumnChunkMetaData::builder(ColumnDescPtr::clone(&self.column))
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
            .set_data_page_offset(data_starts as i64);
        if let Some(statistics) = self.dictionary.statistics(&self.column, self.nulls as u64) {
            metadata = metadata.set_statistics(statistics);
        }
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(offsets.build()),
        };
        Ok((bytes.into(), close))
    }

    fn open_rows(&self) -> usize {
        self.levels.as_ref().unwrap_or(&self.places).len()
    }

    fn close_page(&mut self) -> Result<()> {
        let known = self.dictionary.len();
        if let Some(place) = self.places.max().filter(|&place| place >= known) {
            let message = format!("there is no value {place}, only {known}");
            return Err(ParquetError::General(message));
        }
        let bits = bits_for(known.saturating_sub(1));
        let mut places = vec![bits];
        self.places.encode(&mut places, bits);
        let mut page = Vec::new();
        if let Some(levels) = &self.levels {
            levels.encode(&mut page, 1);
        }
        let levels_bytes = page.len();
        page.extend(compressed(&places)?);
        let (rows, values) = (self.open_rows(), self.places.len());
        let page = Page::DataPageV2 {
            buf: page.into(),
            num_values: rows as u32,
            encoding: Encoding::RLE_DICTIONARY,
            num_nulls: (rows - values) as u32,
            num_rows: rows as u32,
            def_levels_byte_len: levels_bytes as u32,
            rep_levels_byte_len: 0,
            is_compressed: true,
            statistics: None,
        };
        let before = self.pages.bytes_written();
        self.uncompressed_bytes += write(&mut self.pages, page, levels_bytes + places.len())?;
        self.sizes.push((rows, self.pages.bytes_written() - before));
        self.rows += rows;
        self.nulls += rows - values;
        self.places.clear();
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        Ok(())
    }
}

impl Dictionary {
    fn len(&self) -> u32 {
        let len = match self {
            Self::Names(names) => names.len(),
            Self::Numbers(numbers) => numbers.values.len(),
        };
        len as u32
    }

    /// The values, each as it is.
    fn encoded(&self, as_type: Type) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match (self, as_type) {
            (Self::Names(names), Type::BYTE_ARRAY) => {
                for name in *names {
                    bytes.extend((name.len() as u32).to_le_bytes());
                    bytes.extend(name.as_bytes());
                }
            }
            (Self::Numbers(numbers), Type::INT32) => {
                let short = numbers.values.iter().map(|&number| number as u32);
                bytes.extend(short.flat_map(u32::to_le_bytes));
            }
            (Self::Numbers(numbers), Type::INT64) => {
                bytes.extend(
                    numbers
                        .values
                        .iter()
                        .flat_map(|number| number.to_le_bytes()),
                );
            }
            (_, as_type) => {
                let message = format!("a column of {as_type} has another's dictionary");
                return Err(ParquetError::General(message));
            }
        }
        Ok(bytes)
    }

    /// Minimum and maximum let engines skip row groups. Not of names.
    fn statistics(&self, column: &ColumnDescPtr, nulls: u64) -> Option<Statistics> {
        let Self::Numbers(numbers) = self else {
            return None;
        };
        let min = numbers.values.iter().min().copied();
        let max = numbers.values.iter().max().copied();
        // Unsigned, as the column's logical type says; stored as they are.
        Some(if column.physical_type() == Type::INT32 {
            let short = |number: u64| number as u32 as i32;
            Statistics::int32(min.map(short), max.map(short), None, Some(nulls), false)
        } else {
            let long = |number: u64| number as i64;
            Statistics::int64(min.map(long), max.map(long), None, Some(nulls), false)
        })
    }
}

impl Numbers {
    #[inline]
    fn place(&mut self, number: u64) -> u32 {
        if number < SMALL {
            match self.small.get(number as usize) {
                Some(Some(after)) => after.get() - 1,
                _ => self.add_small(number),
            }
        } else {
            self.place_of_large(number)
        }
    }

    #[cold]
    fn add_small(&mut self, number: u64) -> u32 {
        let index = number as usize;
        if index >= self.small.len() {
            self.small.resize((index + 1).next_power_of_two(), None);
        }
        let place = self.add(number);
        self.small[index] = NonZeroU32::new(place + 1);
        place
    }

    #[inline]
    fn place_of_large(&mut self, number: u64) -> u32 {
        // The high bits of a product with the golden ratio depend on all bits.
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let slot = number.wrapping_mul(GOLDEN) >> (u64::BITS - RECENT.ilog2());
        let slot = slot as usize % RECENT;
        match self.recent[slot] {
            Some((recent, place)) if recent == number => place,
            _ => {
                let place = self.look_up(number);
                self.recent[slot] = Some((number, place));
                place
            }
        }
    }

    fn look_up(&mut self, number: u64) -> u32 {
        if let Some(&place) = self.large.get(&number) {
            return place;
        }
        let place = self.add(number);
        self.large.insert(number, place);
        place
    }

    /// Gives a new number its place.
    fn add(&mut self, number: u64) -> u32 {
        self.values.push(number);
        (self.values.len() - 1) as u32
    }
}

/// Appends a page; returns its bytes with the header, before compression.
fn write(sink: &mut TrackedWrite<Vec<u8>>, page: Page, uncompressed_bytes: usize) -> Result<usize> {
    let page = CompressedPage::new(page, uncompressed_bytes);
    let written = SerializedPageWriter::new(sink).write_page(page)?;
    Ok(written.uncompressed_size)
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

#[cfg(test)]
mod tests;
