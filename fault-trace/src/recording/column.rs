//! A column of a table: its name, type and encoding, and how it is built from rows and read back.

use std::{any::Any, sync::Arc};

use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, DictionaryArray,
    PrimitiveArray, StringArray, types::UInt8Type,
};
use arrow_schema::{DataType, Field};

use super::dictionary::DictionaryChunk;

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
}

impl<R: 'static> Column<R> {
    pub(super) fn field(&self) -> Field {
        Field::new(self.name, self.data_type.clone(), self.nullable)
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
    pub(super) fn number<T: ArrowPrimitiveType<Native: Into<u64>>>(
        name: &'static str,
        encoding: Encoding,
        get: impl Fn(&R) -> T::Native + Send + Sync + 'static,
        set: impl Fn(&mut R, T::Native) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: T::DATA_TYPE,
            nullable: false,
            encoding,
            build: if encoding == Encoding::Dictionary {
                Build::numbers(move |row, chunk| chunk.push_number(get(row).into()))
            } else {
                Build::array(move |rows| {
                    let values = rows.iter().map(&get);
                    Arc::new(PrimitiveArray::<T>::from_iter_values(values))
                })
            },
            read: Some(Box::new(move |array, rows| {
                let array = downcast::<PrimitiveArray<T>>(array)?;
                for (row, &value) in rows.iter_mut().zip(array.values()) {
                    set(row, value);
                }
                Some(0)
            })),
        }
    }

    /// Unsigned numbers that may be unknown.
    pub(super) fn optional_number<T: ArrowPrimitiveType<Native: Into<u64>>>(
        name: &'static str,
        encoding: Encoding,
        get: impl Fn(&R) -> Option<T::Native> + Send + Sync + 'static,
        set: impl Fn(&mut R, Option<T::Native>) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            data_type: T::DATA_TYPE,
            nullable: true,
            encoding,
            build: if encoding == Encoding::Dictionary {
                Build::numbers(move |row, chunk| match get(row) {
                    Some(value) => chunk.push_number(value.into()),
                    None => chunk.push_null(),
                })
            } else {
                Build::array(move |rows| Arc::new(optional_numbers::<R, T>(rows, &get)))
            },
            read: Some(Box::new(move |array, rows| {
                let array = downcast::<PrimitiveArray<T>>(array)?;
                for (row, value) in rows.iter_mut().zip(array) {
                    set(row, value);
                }
                Some(0)
            })),
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
        }
    }
}

/// Mostly none or all are known, and then there is nothing to be noted for each.
fn optional_numbers<R, T: ArrowPrimitiveType>(
    rows: &[R],
    get: impl Fn(&R) -> Option<T::Native>,
) -> PrimitiveArray<T> {
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
