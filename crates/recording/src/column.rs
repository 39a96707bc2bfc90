//! A column of a table: its name, type and encoding, and how it is built from rows and read back.

use std::{any::Any, sync::Arc};

use arrow_array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, BinaryArray, BooleanArray,
    DictionaryArray, PrimitiveArray, StringArray,
    types::{UInt8Type, UInt16Type, UInt32Type, UInt64Type},
};
use arrow_schema::{DataType, Field};

use super::dictionary::DictionaryChunk;
use fault_trace_model::Field as Part;

/// How Parquet stores a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    /// Differences between neighbours, bit-packed: numbers that move in small or equal steps.
    Delta,
    /// A dictionary, and runs of its indices: few distinct values.
    Dictionary,
    /// As it is, and compressed: rare bytes.
    Plain,
    /// Runs of equal bits.
    RunLength,
}

/// Makes something of all rows.
type OfRows<R, T> = Box<dyn Fn(&[R]) -> T + Send + Sync>;

/// Makes a column out of rows.
pub(super) enum Build<R> {
    Array(OfRows<R, ArrayRef>),
    /// Of few distinct values; `names` unless they are numbers.
    Dictionary {
        names: Option<Vec<&'static str>>,
        push: Push<R>,
    },
}

/// Adds all rows to a chunk.
type Push<R> = Box<dyn Fn(&[R], &mut DictionaryChunk) + Send + Sync>;

impl<R> Build<R> {
    fn array(build: impl Fn(&[R]) -> ArrayRef + Send + Sync + 'static) -> Self {
        Self::Array(Box::new(build))
    }

    fn numbers(push: impl Fn(&R, &mut DictionaryChunk) + Send + Sync + 'static) -> Self {
        Self::Dictionary {
            names: None,
            push: Box::new(move |rows, chunk| rows.iter().for_each(|row| push(row, chunk))),
        }
    }
}

/// Sets the column's field in as many rows as the array is long; returns how many names it did not
/// know, `None` if the array has another type.
type Read<R> = Box<dyn Fn(&dyn Array, &mut [R]) -> Option<u64> + Send + Sync>;

/// A column of a table whose rows are `R`.
pub(super) struct Column<R> {
    pub(super) name: &'static str,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
    pub(super) encoding: Encoding,
    pub(super) build: Build<R>,
    /// `None` for a column that follows from others and is there for queries only.
    read: Option<Read<R>>,
    /// The part of a fault that it holds; `None` if it is always read.
    pub(super) part: Option<Part>,
}

/// An unsigned number of a width that Parquet has.
pub(super) trait Number: ArrowNativeTypeOp + Into<u64> {
    type Arrow: ArrowPrimitiveType<Native = Self>;
}

impl Number for u16 {
    type Arrow = UInt16Type;
}

impl Number for u32 {
    type Arrow = UInt32Type;
}

impl Number for u64 {
    type Arrow = UInt64Type;
}

impl<R: 'static> Column<R> {
    pub(super) fn field(&self) -> Field {
        Field::new(self.name, self.data_type.clone(), self.nullable)
    }

    /// The same column, which holds that part of a fault.
    pub(super) fn of(self, part: Part) -> Self {
        Self {
            part: Some(part),
            ..self
        }
    }

    /// Whether reading a row needs this column.
    pub(super) fn is_read(&self) -> bool {
        self.read.is_some()
    }

    /// Fills the column's field in `rows` from `array`, which has their length; see [`Read`].
    pub(super) fn read(&self, array: &dyn Array, rows: &mut [R]) -> Option<u64> {
        match &self.read {
            Some(read) => read(array, rows),
            None => Some(0),
        }
    }

    /// Unsigned numbers, never null.
    pub(super) fn number<N: Number>(
        name: &'static str,
        encoding: Encoding,
        get: impl Fn(&R) -> N + Send + Sync + 'static,
        set: impl Fn(&mut R, N) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: N::Arrow::DATA_TYPE,
            nullable: false,
            encoding,
            build: if encoding == Encoding::Dictionary {
                Build::numbers(move |row, chunk| chunk.push_number(get(row).into()))
            } else {
                Build::array(move |rows| {
                    let values = rows.iter().map(&get);
                    Arc::new(PrimitiveArray::<N::Arrow>::from_iter_values(values))
                })
            },
            read: Some(Box::new(move |array, rows| {
                let array = downcast::<PrimitiveArray<N::Arrow>>(array)?;
                for (row, &value) in rows.iter_mut().zip(array.values()) {
                    set(row, value);
                }
                Some(0)
            })),
            part: None,
        }
    }

    /// Unsigned numbers that may be unknown.
    pub(super) fn optional_number<N: Number>(
        name: &'static str,
        encoding: Encoding,
        get: impl Fn(&R) -> Option<N> + Send + Sync + 'static,
        set: impl Fn(&mut R, Option<N>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: N::Arrow::DATA_TYPE,
            nullable: true,
            encoding,
            build: if encoding == Encoding::Dictionary {
                Build::numbers(move |row, chunk| match get(row) {
                    Some(value) => chunk.push_number(value.into()),
                    None => chunk.push_null(),
                })
            } else {
                Build::array(move |rows| Arc::new(optional_numbers::<R, N>(rows, &get)))
            },
            read: Some(Box::new(move |array, rows| {
                let array = downcast::<PrimitiveArray<N::Arrow>>(array)?;
                for (row, value) in rows.iter_mut().zip(array) {
                    set(row, value);
                }
                Some(0)
            })),
            part: None,
        }
    }

    /// Text from a fixed list of names: `get` gives the index into `names`. Only for queries, unless
    /// made readable by [`Column::read_names`].
    pub(super) fn names(
        name: &'static str,
        names: impl IntoIterator<Item = &'static str>,
        get: impl Fn(&R) -> u8 + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8)),
            nullable: false,
            encoding: Encoding::Dictionary,
            build: Build::Dictionary {
                names: Some(names.into_iter().collect()),
                push: Box::new(move |rows, chunk| {
                    rows.iter().for_each(|row| chunk.push_name(get(row)));
                }),
            },
            read: None,
            part: None,
        }
    }

    /// Makes a column of names readable: `from_name` knows the names, `unknown` stands for others.
    pub(super) fn read_names<N: Copy + Send + Sync + 'static>(
        mut self,
        from_name: impl Fn(&str) -> Option<N> + Send + Sync + 'static,
        unknown: N,
        set: impl Fn(&mut R, N) + Send + Sync + 'static,
    ) -> Self {
        self.read = Some(Box::new(move |array, rows| {
            let array = downcast::<DictionaryArray<UInt8Type>>(array)?;
            let names = downcast::<StringArray>(array.values())?;
            let known: Vec<Option<N>> =
                names.iter().map(|name| name.and_then(&from_name)).collect();
            let mut unknown_names = 0;
            for (row, key) in rows.iter_mut().zip(array.keys()) {
                let value = key.and_then(|key| *known.get(usize::from(key))?);
                unknown_names += u64::from(value.is_none());
                set(row, value.unwrap_or(unknown));
            }
            Some(unknown_names)
        }));
        self
    }

    /// True or false. Only for queries.
    pub(super) fn flag(
        name: &'static str,
        get: impl Fn(&R) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: DataType::Boolean,
            nullable: false,
            encoding: Encoding::RunLength,
            build: Build::array(move |rows| {
                let values = rows.iter().map(|row| Some(get(row)));
                Arc::new(values.collect::<BooleanArray>())
            }),
            read: None,
            part: None,
        }
    }

    /// Free text, never null; what is not UTF-8 is replaced.
    pub(super) fn text(
        name: &'static str,
        get: impl Fn(&R) -> &[u8] + Send + Sync + 'static,
        set: impl Fn(&mut R, &str) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: DataType::Utf8,
            nullable: false,
            encoding: Encoding::Dictionary,
            build: Build::array(move |rows| {
                let values = rows.iter().map(|row| String::from_utf8_lossy(get(row)));
                Arc::new(StringArray::from_iter_values(values))
            }),
            read: Some(Box::new(move |array, rows| {
                for (row, text) in rows.iter_mut().zip(downcast::<StringArray>(array)?) {
                    set(row, text.unwrap_or_default());
                }
                Some(0)
            })),
            part: None,
        }
    }

    /// Text that may be absent.
    pub(super) fn optional_text(
        name: &'static str,
        get: impl Fn(&R) -> Option<&str> + Send + Sync + 'static,
        set: impl Fn(&mut R, Option<&str>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: DataType::Utf8,
            nullable: true,
            encoding: Encoding::Dictionary,
            build: Build::array(move |rows| {
                Arc::new(rows.iter().map(&get).collect::<StringArray>())
            }),
            read: Some(Box::new(move |array, rows| {
                for (row, text) in rows.iter_mut().zip(downcast::<StringArray>(array)?) {
                    set(row, text);
                }
                Some(0)
            })),
            part: None,
        }
    }

    /// Bytes, mostly absent.
    pub(super) fn optional_bytes(
        name: &'static str,
        get: impl Fn(&R) -> Option<&[u8]> + Send + Sync + 'static,
        set: impl Fn(&mut R, Option<&[u8]>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: DataType::Binary,
            nullable: true,
            encoding: Encoding::Plain,
            build: Build::array(move |rows| {
                Arc::new(rows.iter().map(&get).collect::<BinaryArray>())
            }),
            read: Some(Box::new(move |array, rows| {
                for (row, bytes) in rows.iter_mut().zip(downcast::<BinaryArray>(array)?) {
                    set(row, bytes);
                }
                Some(0)
            })),
            part: None,
        }
    }
}

/// Lists the columns of a table, each in one entry: its name and how it holds a field of the row.
macro_rules! columns {
    ($row:ty; $($name:literal => $kind:ident($($rest:tt)*) $(of $part:ident)?,)*) => {
        vec![$(columns!(@ $row, $name, $kind($($rest)*)) $(.of(fault_trace_model::Field::$part))?),*]
    };
    (@ $row:ty, $name:literal, number($($field:tt).+, $encoding:ident)) => {
        Column::number(
            $name,
            Encoding::$encoding,
            |row: &$row| row.$($field).+,
            |row, value| row.$($field).+ = value,
        )
    };
    (@ $row:ty, $name:literal, optional($($field:tt).+, $encoding:ident)) => {
        Column::optional_number(
            $name,
            Encoding::$encoding,
            |row: &$row| row.$($field).+,
            |row, value| row.$($field).+ = value,
        )
    };
    (@ $row:ty, $name:literal, nonzero($($field:tt).+, $encoding:ident)) => {
        Column::optional_number(
            $name,
            Encoding::$encoding,
            |row: &$row| Some(row.$($field).+).filter(|&value| value != 0),
            |row, value| row.$($field).+ = value.unwrap_or(0),
        )
    };
    // One of a list of names; one that is not known reads as the last.
    (@ $row:ty, $name:literal, named($field:ident, $names:expr, $from_name:expr, $unknown:expr)) => {
        Column::names($name, $names, |row: &$row| row.$field as u8).read_names(
            $from_name,
            $unknown,
            |row, value| row.$field = value,
        )
    };
    (@ $row:ty, $name:literal, yes_no($field:ident)) => {
        Column::names($name, ["no", "yes"], |row: &$row| u8::from(row.$field)).read_names(
            yes_no,
            false,
            |row, value| row.$field = value,
        )
    };
    (@ $row:ty, $name:literal, text($field:ident)) => {
        Column::text($name, |row: &$row| &row.$field, |row, value| {
            row.$field = value.as_bytes().into();
        })
    };
    // Only of names that are not UTF-8, which the text column cannot hold.
    (@ $row:ty, $name:literal, odd_bytes($field:ident)) => {
        Column::optional_bytes(
            $name,
            |row: &$row| str::from_utf8(&row.$field).is_err().then_some(&row.$field[..]),
            |row, value| {
                if let Some(bytes) = value {
                    row.$field = bytes.into();
                }
            },
        )
    };
    // Anything else.
    (@ $row:ty, $name:literal, with($make:expr)) => {
        $make($name)
    };
}

pub(super) use columns;

/// What the names of flags stand for.
pub(super) fn yes_no(name: &str) -> Option<bool> {
    match name {
        "no" => Some(false),
        "yes" => Some(true),
        _ => None,
    }
}

/// Mostly none or all are known, and then there is nothing to be noted for each.
fn optional_numbers<R, N: Number>(
    rows: &[R],
    get: impl Fn(&R) -> Option<N>,
) -> PrimitiveArray<N::Arrow> {
    if rows.iter().all(|row| get(row).is_none()) {
        return PrimitiveArray::new_null(rows.len());
    }
    let mut known = Vec::with_capacity(rows.len());
    known.extend(rows.iter().map_while(&get));
    if known.len() == rows.len() {
        return PrimitiveArray::new(known.into(), None);
    }
    rows.iter().map(get).collect()
}

fn downcast<A: Any>(array: &dyn Array) -> Option<&A> {
    array.as_any().downcast_ref::<A>()
}
