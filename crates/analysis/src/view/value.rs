//! Values in the rows of views, as every format can show them.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::tables::Frame;
use fault_trace_model::attribution::LocationKind;

/// What a field of a row holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// JSON has no key for it.
    Absent,
    /// JSON has a key for it, and `null`.
    Unknown,
    Flag(bool),
    /// A number that names something.
    Number(u64),
    /// A number of faults.
    Count(u64),
    Address(Hex),
    Label(Label),
    /// The frames of a stack, innermost first.
    Frames(Vec<FrameRow>),
    Inclusive(Inclusive),
    /// A moment, ns from the start of the run, and ns to the next that is shown.
    Moment(u64, u64),
}

/// A name, mostly chosen by somebody else: never printed without `render::sanitize`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    pub name: Name,
    /// Follows the name where people read it.
    pub mark: Cow<'static, str>,
    pub keep: Keep,
}

/// What is kept of a name that has no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    Start,
    End,
    Everything,
}

impl Label {
    /// A name of which `keep` is shown where there is no room for all of it.
    pub(crate) fn new(name: impl Into<Vec<u8>>, keep: Keep) -> Self {
        Self {
            name: Name(name.into()),
            mark: Cow::Borrowed(""),
            keep,
        }
    }

    /// The same with something behind it.
    pub(crate) fn marked(self, mark: impl Into<Cow<'static, str>>) -> Self {
        let mark = mark.into();
        Self { mark, ..self }
    }

    /// The same, said to be deleted where it is.
    pub(crate) fn deleted(self, deleted: bool) -> Self {
        self.marked(if deleted { " (deleted)" } else { "" })
    }
}

impl From<Label> for Value {
    fn from(label: Label) -> Self {
        Self::Label(label)
    }
}

/// Paths differ in their ends.
impl From<&[u8]> for Value {
    fn from(name: &[u8]) -> Self {
        Label::new(name, Keep::End).into()
    }
}

impl From<&str> for Value {
    fn from(name: &str) -> Self {
        name.as_bytes().into()
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Unknown, Into::into)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Unknown => serializer.serialize_none(),
            Self::Flag(flag) => flag.serialize(serializer),
            Self::Number(number) | Self::Count(number) | Self::Moment(number, _) => {
                number.serialize(serializer)
            }
            Self::Address(address) => address.serialize(serializer),
            Self::Label(label) => label.name.serialize(serializer),
            Self::Frames(frames) => frames.serialize(serializer),
            Self::Inclusive(inclusive) => inclusive.serialize(serializer),
        }
    }
}

/// Counts of a function and all it called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Inclusive {
    pub count: u64,
    /// Sum of the known latencies, ns.
    pub time_ns: u64,
}

/// A function or a place in code.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FrameRow {
    /// Its name, or `module+0x12` and the like.
    pub function: String,
    pub module: Name,
    #[serde(serialize_with = "location_kind")]
    pub kind: LocationKind,
    pub source_file: Option<String>,
    pub source_line: Option<u32>,
    pub inlined: bool,
}

impl From<Frame<'_>> for FrameRow {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            function: frame.name().into_owned(),
            module: Name(frame.module.to_vec()),
            kind: frame.kind,
            source_file: frame.source_file.map(str::to_owned),
            source_line: frame.source_line,
            inlined: frame.inlined,
        }
    }
}

/// Raw bytes; in JSON text, with U+FFFD for what is not UTF-8.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name(pub Vec<u8>);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}

/// An address: a string in JSON, because many readers keep only 53 bits of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hex(pub u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

fn location_kind<S: Serializer>(kind: &LocationKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}
