//! What a row of a view stands for.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::group::Figures;
use crate::{
    analysis::tables::{Frame, mapping_name},
    model::attribution::{LocationKind, MappingKind, MappingRow},
};
use fault_trace_common::{Class, Family};

/// A row: what it stands for and its figures.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    #[serde(flatten)]
    pub subject: Subject,
    #[serde(flatten)]
    pub figures: Figures,
}

/// What the faults of a row have in common. Names are raw bytes or text that somebody else chose: never
/// printed without `render::sanitize`. `None` where it is not known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Subject {
    Class {
        family: Family,
        class: Class,
    },
    Process {
        pid: u32,
        comm: Option<Name>,
    },
    Thread {
        pid: u32,
        tid: u32,
        comm: Option<Name>,
    },
    Function {
        #[serde(flatten)]
        frame: Option<FrameRow>,
        /// Faults taken in the function or in what it called, where stacks tell.
        inclusive: Option<Inclusive>,
    },
    Stack {
        stack_id: Option<u32>,
        /// Whether it seems not to lead back to where its thread started.
        truncated: bool,
        /// Innermost first.
        frames: Vec<FrameRow>,
    },
    File(FileRow),
    Mapping {
        pid: Option<u32>,
        comm: Option<Name>,
        #[serde(flatten)]
        mapping: Option<MappingSubject>,
    },
    Page {
        pid: u32,
        comm: Option<Name>,
        address: Hex,
        /// Faults at the page after its first.
        refaults: u64,
        mapping: Option<Name>,
        /// Where in the mapping or its file the page lies.
        offset_bytes: Option<u64>,
    },
    Cgroup {
        cgroup_id: Option<u64>,
        path: Option<Name>,
        /// Id or name, where the path tells.
        container: Option<String>,
    },
    Time {
        /// From the start of the run, ns.
        from_ns: u64,
        /// The first moment beyond.
        to_ns: u64,
    },
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

/// A file, or memory without one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FileRow {
    pub file: Option<Name>,
    #[serde(serialize_with = "mapping_kind")]
    pub kind: Option<MappingKind>,
    pub deleted: bool,
    /// Lowest and highest offset at which it was touched; `None` without a file.
    pub first_offset_bytes: Option<u64>,
    pub last_offset_bytes: Option<u64>,
    /// Faults that found their page in the cache.
    pub cached: u64,
    /// Faults that read it, or waited for somebody else who did.
    pub read: u64,
}

/// A mapping of a process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MappingSubject {
    pub start: Hex,
    /// The first address beyond.
    pub end: Hex,
    pub protection: String,
    pub shared: bool,
    #[serde(serialize_with = "mapping_kind")]
    pub kind: Option<MappingKind>,
    pub name: Name,
    pub deleted: bool,
}

impl From<&MappingRow> for MappingSubject {
    fn from(row: &MappingRow) -> Self {
        let flag = |set, letter| if set { letter } else { '-' };
        let protection = row.protection;
        Self {
            start: Hex(row.start),
            end: Hex(row.end),
            protection: [
                flag(protection.read, 'r'),
                flag(protection.write, 'w'),
                flag(protection.execute, 'x'),
                if row.shared { 's' } else { 'p' },
            ]
            .into_iter()
            .collect(),
            shared: row.shared,
            kind: Some(row.kind),
            name: mapping_name(row).into(),
            deleted: row.deleted,
        }
    }
}

impl From<Cow<'_, [u8]>> for Name {
    fn from(name: Cow<'_, [u8]>) -> Self {
        Self(name.into_owned())
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

fn mapping_kind<S: Serializer>(
    kind: &Option<MappingKind>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    kind.map(MappingKind::name).serialize(serializer)
}
