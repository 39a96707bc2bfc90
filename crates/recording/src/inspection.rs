//! A look over a segment before it is decoded. The decoder allocates what a file claims to need, and a
//! failed allocation ends the process; here claims are held against bounds that no segment of ours comes
//! near, and against each other. What cannot be told is damage.

use parquet::{
    basic::Type as PhysicalType,
    file::metadata::{ColumnChunkMetaData, ParquetMetaData},
};

use super::{
    compact::{Compact, Kind},
    segment::SEGMENT_ROWS,
    source::Source,
};

/// Bound of the part of a file that describes the rest: ours have 5 kB.
pub(super) const MAX_FOOTER_BYTES: usize = 1 << 20;
/// Bound of columns: the widest table has 26.
const MAX_COLUMNS: usize = 1 << 10;
/// Bound of rows; [`SEGMENT_ROWS`] and less than a batch more are written.
const MAX_ROWS: u64 = 4 * SEGMENT_ROWS;
/// Bound of what the pages take that are in memory at once, of all columns.
const MAX_PAGES_BYTES: u64 = 256 << 20;
/// Bound of a dictionary of text: beyond 1 MiB none is continued.
const MAX_TEXTS_BYTES: u64 = 8 << 20;
/// Of a batch, the text may take so much if every row has the whole dictionary.
const BATCH_TEXT_BYTES: u64 = 64 << 20;
/// Bound of a page's description: ours have 40 bytes.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// Read at first.
const USUAL_HEADER_BYTES: usize = 128;

/// The encodings that are written or were (`Encoding` of parquet-format): plain, the dictionary's two,
/// run lengths, differences. Others allocate by what is in the page.
const ENCODINGS: [i64; 5] = [0, 2, 3, 5, 8];

/// Looks over the description of a file: a flat schema of few columns. Without, building the schema
/// could recurse or allocate without bound.
pub(super) fn check_footer(footer: &[u8]) -> Result<(), &'static str> {
    flat_schema(&mut Compact::new(footer)).ok_or("its schema is none of a recording's")
}

/// `FileMetaData` begins with its version and the schema.
fn flat_schema(compact: &mut Compact<'_>) -> Option<()> {
    let mut id = 0;
    if (compact.field(&mut id)?, id) != (Some(Kind::Int), 1) {
        return None;
    }
    compact.int()?;
    if (compact.field(&mut id)?, id) != (Some(Kind::List), 2) {
        return None;
    }
    let (count, kind) = compact.list()?;
    if kind != Kind::Struct || !(1..=MAX_COLUMNS).contains(&count) {
        return None;
    }
    for index in 0..count {
        let children = schema_element(compact)?;
        let expected = if index == 0 { count - 1 } else { 0 };
        if children != i64::try_from(expected).ok()? {
            return None;
        }
    }
    Some(())
}

/// Reads a `SchemaElement`, and returns the number of its children.
fn schema_element(compact: &mut Compact<'_>) -> Option<i64> {
    let (mut id, mut children) = (0, 0);
    while let Some(kind) = compact.field(&mut id)? {
        match (id, kind) {
            (5, Kind::Int) => children = compact.int()?,
            (1..=3 | 6..=9, Kind::Int) | (4, Kind::Binary) => compact.skip(kind)?,
            (10, Kind::Struct) => logical_type(compact)?,
            _ => return None,
        }
    }
    Some(children)
}

/// `LogicalType`: text, a name, or a number with its width and sign.
fn logical_type(compact: &mut Compact<'_>) -> Option<()> {
    let mut id = 0;
    let variant = compact.field(&mut id)?;
    if variant != Some(Kind::Struct) {
        return None;
    }
    let is_number = match id {
        1 | 4 => false,
        10 => true,
        _ => return None,
    };
    let mut member = 0;
    while let Some(kind) = compact.field(&mut member)? {
        if !is_number || !matches!((member, kind), (1, Kind::Byte) | (2, Kind::Bool)) {
            return None;
        }
        compact.skip(kind)?;
    }
    compact.field(&mut id)?.is_none().then_some(())
}

/// The number of rows that the file claims, if they are not too many.
pub(super) fn rows(metadata: &ParquetMetaData) -> Option<u64> {
    let rows = metadata.row_groups().iter().try_fold(0_u64, |sum, group| {
        sum.checked_add(u64::try_from(group.num_rows()).ok()?)
    })?;
    let claimed = metadata.file_metadata().num_rows();
    (rows <= MAX_ROWS && u64::try_from(claimed) == Ok(rows)).then_some(rows)
}

/// Looks over the pages of the columns, by their index, in the row groups. Returns how many of `rows`
/// may be decoded at once.
pub(super) fn check_pages(
    source: &Source,
    metadata: &ParquetMetaData,
    row_groups: &[usize],
    columns: impl Fn(usize) -> bool,
    rows: usize,
) -> Result<usize, &'static str> {
    let mut texts_bytes = 1;
    for &group in row_groups {
        let group = metadata.row_group(group);
        let mut pages_bytes = 0;
        for (_, column) in group
            .columns()
            .iter()
            .enumerate()
            .filter(|(index, _)| columns(*index))
        {
            let pages = Pages::of(source, column)?;
            if u64::try_from(group.num_rows()) != Ok(pages.values) {
                return Err("a column has more or fewer rows than the others");
            }
            pages_bytes += pages.largest_bytes + pages.dictionary_bytes;
            if column.column_type() == PhysicalType::BYTE_ARRAY {
                texts_bytes = pages.dictionary_bytes.max(texts_bytes);
            }
        }
        if pages_bytes > MAX_PAGES_BYTES || texts_bytes > MAX_TEXTS_BYTES {
            return Err("it claims to be larger than any that record writes");
        }
    }
    let at_once = usize::try_from(BATCH_TEXT_BYTES / texts_bytes).unwrap_or(usize::MAX);
    Ok(rows.min(at_once))
}

/// What the pages of a column claim.
#[derive(Default)]
struct Pages {
    /// Nulls included.
    values: u64,
    /// Of pages of values.
    largest_bytes: u64,
    dictionary_bytes: u64,
}

impl Pages {
    fn of(source: &Source, column: &ColumnChunkMetaData) -> Result<Self, &'static str> {
        let (start, length) = column.byte_range();
        let end = start.checked_add(length);
        let end = end.filter(|&end| end <= source.len());
        let end = end.ok_or("a column lies beyond its end")?;
        let (mut pages, mut at) = (Self::default(), start);
        while at < end {
            let (header, length) = Header::read(source, at, end).ok_or("a page is not one")?;
            pages.add(&header)?;
            at = at + length + header.compressed;
            if at > end {
                return Err("a page lies beyond its column");
            }
        }
        Ok(pages)
    }

    fn add(&mut self, header: &Header) -> Result<(), &'static str> {
        if !ENCODINGS.contains(&header.encoding) {
            return Err("a page is encoded as none is");
        }
        // Uncompressed pages are not copied, so that their claim counts for nothing.
        let bytes = header.uncompressed.max(header.compressed);
        if header.is_dictionary {
            // No value takes less than its length or a number.
            if header.values > bytes / 4 || self.dictionary_bytes > 0 {
                return Err("a dictionary claims more than it has");
            }
            self.dictionary_bytes = bytes;
        } else {
            self.values += header.values;
            self.largest_bytes = self.largest_bytes.max(bytes);
        }
        Ok(())
    }
}

/// A `PageHeader`, of a page of values (in either version) or a dictionary.
struct Header {
    uncompressed: u64,
    compressed: u64,
    values: u64,
    encoding: i64,
    is_dictionary: bool,
}

impl Header {
    /// The header at `at`, and its length.
    fn read(source: &Source, at: u64, end: u64) -> Option<(Self, u64)> {
        [USUAL_HEADER_BYTES, MAX_HEADER_BYTES]
            .into_iter()
            .find_map(|most| {
                let most = usize::try_from(end - at).map_or(most, |left| left.min(most));
                let bytes = source.read(at, most).ok()?;
                let mut compact = Compact::new(&bytes);
                let header = Self::parse(&mut compact)?;
                Some((header, (bytes.len() - compact.remaining()) as u64))
            })
    }

    fn parse(compact: &mut Compact<'_>) -> Option<Self> {
        const DATA: i64 = 0;
        const DICTIONARY: i64 = 2;
        const DATA_V2: i64 = 3;
        let (mut id, mut numbers, mut described) = (0, [None; 4], None);
        while let Some(kind) = compact.field(&mut id)? {
            match (id, kind) {
                (1..=4, Kind::Int) => numbers[usize::try_from(id).ok()? - 1] = compact.int(),
                (5, Kind::Struct) => described = Some((DATA, Self::page(compact, 2, 4)?)),
                (7, Kind::Struct) => described = Some((DICTIONARY, Self::page(compact, 2, 2)?)),
                (8, Kind::Struct) => described = Some((DATA_V2, Self::page(compact, 4, 6)?)),
                _ => return None,
            }
        }
        let [page_type, uncompressed, compressed, _checksum] = numbers;
        let (described_type, (values, encoding)) = described?;
        // The decoder goes by the type.
        if page_type? != described_type {
            return None;
        }
        let size = |claimed: Option<i64>| {
            let claimed = i32::try_from(claimed?).ok()?;
            u64::try_from(claimed).ok()
        };
        Some(Self {
            uncompressed: size(uncompressed)?,
            compressed: size(compressed)?,
            values: size(Some(values))?,
            encoding,
            is_dictionary: described_type == DICTIONARY,
        })
    }

    /// The number of values and their encoding, which is the member `encoding`, in the description of a
    /// page whose members up to `numbers` are numbers.
    fn page(compact: &mut Compact<'_>, encoding: i64, numbers: i64) -> Option<(i64, i64)> {
        let (mut id, mut values, mut encoded) = (0, None, None);
        while let Some(kind) = compact.field(&mut id)? {
            match kind {
                Kind::Int if (1..=numbers).contains(&id) => {
                    let number = compact.int()?;
                    if id == 1 {
                        values = Some(number);
                    } else if id == encoding {
                        encoded = Some(number);
                    }
                }
                // Whether it is sorted or compressed, and statistics.
                Kind::Bool | Kind::Struct if id > numbers => compact.skip(kind)?,
                _ => return None,
            }
        }
        Some((values?, encoded?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers as Thrift writes them.
    fn varint(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    fn int(number: i64) -> Vec<u8> {
        varint((number << 1 ^ number >> 63).cast_unsigned())
    }

    /// A page of values in the second version.
    fn page(uncompressed: i64, compressed: i64, values: i64, encoding: i64) -> Vec<u8> {
        let fields = |numbers: &[i64]| -> Vec<u8> {
            let fields = numbers.iter().flat_map(|&number| [vec![0x15], int(number)]);
            fields.flatten().collect()
        };
        [
            fields(&[3, uncompressed, compressed]),
            vec![0x5c],
            fields(&[values, 0, values, encoding, 0, 0]),
            vec![0, 0],
        ]
        .concat()
    }

    fn parsed(bytes: &[u8]) -> Option<Header> {
        Header::parse(&mut Compact::new(bytes))
    }

    #[test]
    fn a_page_is_described_by_what_it_claims() {
        let header = parsed(&page(4096, 100, 7, 5)).expect("is one");
        assert_eq!((header.uncompressed, header.compressed), (4096, 100));
        assert_eq!((header.values, header.encoding), (7, 5));
        assert!(!header.is_dictionary);
    }

    #[test]
    fn what_cannot_be_is_no_page() {
        for (uncompressed, compressed, values) in [
            (-1, 100, 7),
            (4096, -100, 7),
            (4096, 100, -7),
            (1 << 31, 100, 7),
            (4096, 1 << 40, 7),
        ] {
            assert!(parsed(&page(uncompressed, compressed, values, 5)).is_none());
        }
        let whole = page(4096, 100, 7, 5);
        assert!((0..whole.len()).all(|length| parsed(&whole[..length]).is_none()));
        // A list, which no page has; and a type that its description is not of.
        assert!(parsed(&[&[0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f][..], &whole].concat()).is_none());
        let mut other = whole;
        other[1] = 4;
        assert!(parsed(&other).is_none());
    }

    #[test]
    fn unknown_encodings_and_full_dictionaries_are_damage() {
        let mut pages = Pages::default();
        let byte_stream_split = parsed(&page(10, 10, 1, 9)).expect("is one");
        assert!(pages.add(&byte_stream_split).is_err());
        let dictionary = |values| Header {
            uncompressed: 4000,
            compressed: 10,
            values,
            encoding: 0,
            is_dictionary: true,
        };
        assert!(pages.add(&dictionary(1001)).is_err());
        assert!(pages.add(&dictionary(1000)).is_ok());
        assert!(pages.add(&dictionary(1)).is_err(), "there is one already");
    }
}
