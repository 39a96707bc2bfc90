//! What faults refer to by id: mappings, code locations with their symbols, stacks, cgroups.
//!
//! Ids count from 1 within a run. Each row is also a row of a recording's table.

use std::sync::Arc;

use super::{
    code::{BuildId, CodeFile, CodePlace, Frame},
    mapping::{Device, Kind, Mapping, Protection},
};

/// A mapping of a process in which faults were taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappingRow {
    pub id: u32,
    pub pid: u32,
    /// Since when it is known, ns of CLOCK_MONOTONIC.
    pub since_ns: u64,
    pub start: u64,
    /// The first address beyond it.
    pub end: u64,
    /// Where in the file `start` lies; 0 without a file.
    pub offset_bytes: u64,
    pub protection: Protection,
    pub shared: bool,
    pub kind: MappingKind,
    /// As [`Mapping::name`]: raw bytes, never printed without `render::sanitize`.
    pub name: Arc<[u8]>,
    pub device: Device,
    pub inode: u64,
    /// Whether the file had no name any more.
    pub deleted: bool,
}

/// [`Kind`] without what is behind it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MappingKind {
    Anonymous,
    Named,
    Heap,
    Stack,
    File,
    SharedMemory,
    Hugetlb,
    Device,
    Special,
}

impl MappingKind {
    pub const ALL: [Self; 9] = [
        Self::Anonymous,
        Self::Named,
        Self::Heap,
        Self::Stack,
        Self::File,
        Self::SharedMemory,
        Self::Hugetlb,
        Self::Device,
        Self::Special,
    ];

    /// The name used in outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Named => "named",
            Self::Heap => "heap",
            Self::Stack => "stack",
            Self::File => "file",
            Self::SharedMemory => "shared-memory",
            Self::Hugetlb => "hugetlb",
            Self::Device => "device",
            Self::Special => "special",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether offsets into a file or shared object mean something.
    #[must_use]
    pub const fn has_file(self) -> bool {
        matches!(
            self,
            Self::File | Self::SharedMemory | Self::Hugetlb | Self::Device
        )
    }
}

impl From<&Kind> for MappingKind {
    fn from(kind: &Kind) -> Self {
        match kind {
            Kind::Anonymous => Self::Anonymous,
            Kind::Named(_) => Self::Named,
            Kind::Heap => Self::Heap,
            Kind::Stack => Self::Stack,
            Kind::File(_) => Self::File,
            Kind::SharedMemory(_) => Self::SharedMemory,
            Kind::Hugetlb(_) => Self::Hugetlb,
            Kind::Device(_) => Self::Device,
            Kind::Special(_) => Self::Special,
        }
    }
}

impl MappingRow {
    /// The row of a process's mapping, known since `since_ns`.
    #[must_use]
    pub fn new(id: u32, pid: u32, since_ns: u64, mapping: &Mapping) -> Self {
        let backing = mapping.kind.backing();
        Self {
            id,
            pid,
            since_ns,
            start: mapping.start,
            end: mapping.end,
            offset_bytes: mapping.offset_bytes,
            protection: mapping.protection,
            shared: mapping.shared,
            kind: MappingKind::from(&mapping.kind),
            name: backing.map_or_else(
                || mapping.name().into(),
                |backing| Arc::clone(&backing.path),
            ),
            device: backing.map_or_else(Device::default, |backing| backing.device),
            inode: backing.map_or(0, |backing| backing.inode),
            deleted: backing.is_some_and(|backing| backing.deleted),
        }
    }

    /// Where `address` lies: in the file if there is one, else in the mapping; bytes.
    ///
    /// A stack grows down from its end: below its recorded start the offset is taken from there,
    /// too, and wraps.
    #[must_use]
    #[inline]
    pub const fn offset_of(&self, address: u64) -> u64 {
        let within = address.wrapping_sub(self.start);
        if self.kind.has_file() {
            within.wrapping_add(self.offset_bytes)
        } else {
            within
        }
    }
}

/// A place in code that took a fault or is on the stack of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocationRow {
    pub id: u32,
    pub kind: LocationKind,
    /// Where it was first seen; differs from process to process.
    pub address: u64,
    /// The process in which it was first seen; 0 for the kernel.
    pub pid: u32,
    /// The file's path, `[vdso]`, or empty; raw bytes, never printed without `render::sanitize`.
    pub module: Arc<[u8]>,
    /// Of the file; empty if it has none or could not be read.
    pub build_id: Vec<u8>,
    /// Where in the file (or the vdso) it lies, bytes; the address itself where there is none.
    pub offset_bytes: u64,
    /// The address that the file itself gives it (`nm`, `addr2line`), where that is known.
    pub elf_address: Option<u64>,
}

impl LocationRow {
    /// Bytes of the row beyond its own.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.module.len() + self.build_id.len()
    }

    /// The row of a place that was first seen at `address` of the process `pid`.
    #[must_use]
    pub fn new(id: u32, pid: u32, address: u64, place: &CodePlace) -> Self {
        let nowhere = Self {
            id,
            kind: LocationKind::Unknown,
            address,
            pid,
            module: Arc::default(),
            build_id: Vec::new(),
            offset_bytes: address,
            elf_address: None,
        };
        match place {
            CodePlace::Kernel { .. } => Self {
                kind: LocationKind::Kernel,
                pid: 0,
                ..nowhere
            },
            CodePlace::File {
                file,
                offset_bytes,
                elf_address,
            } => Self {
                kind: LocationKind::File,
                module: Arc::clone(&file.path),
                build_id: file
                    .build_id
                    .as_ref()
                    .map_or(Vec::new(), |id| id.bytes().to_vec()),
                offset_bytes: *offset_bytes,
                elf_address: *elf_address,
                ..nowhere
            },
            CodePlace::Jit { .. } => Self {
                kind: LocationKind::Jit,
                ..nowhere
            },
            CodePlace::Vdso { offset_bytes } => Self {
                kind: LocationKind::Vdso,
                module: b"[vdso]".as_slice().into(),
                offset_bytes: *offset_bytes,
                ..nowhere
            },
            CodePlace::Unknown { .. } => nowhere,
        }
    }

    /// The place again, to name it from files; of the file only path and build id are known.
    #[must_use]
    pub fn place(&self) -> CodePlace {
        let address = self.address;
        match self.kind {
            LocationKind::Kernel => CodePlace::Kernel { address },
            LocationKind::File => CodePlace::File {
                file: Arc::new(CodeFile {
                    path: Arc::clone(&self.module),
                    device: Device::default(),
                    inode: 0,
                    build_id: BuildId::new(&self.build_id),
                }),
                offset_bytes: self.offset_bytes,
                elf_address: self.elf_address,
            },
            LocationKind::Jit => CodePlace::Jit {
                pid: self.pid,
                address,
            },
            LocationKind::Vdso => CodePlace::Vdso {
                offset_bytes: self.offset_bytes,
            },
            LocationKind::Unknown => CodePlace::Unknown { address },
        }
    }
}

/// What kind of code a location is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LocationKind {
    Kernel,
    /// Code of a mapped file.
    File,
    /// Executable memory without a file: made at run time.
    Jit,
    Vdso,
    /// Nothing known is mapped there.
    Unknown,
}

impl LocationKind {
    pub const ALL: [Self; 5] = [
        Self::Kernel,
        Self::File,
        Self::Jit,
        Self::Vdso,
        Self::Unknown,
    ];

    /// The name used in outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::File => "file",
            Self::Jit => "jit",
            Self::Vdso => "vdso",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A function at a location. A location within inlined functions has several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolRow {
    pub location_id: u32,
    /// 0 is the innermost.
    pub depth: u16,
    pub function: String,
    /// From the function's start, bytes; of the outermost only.
    pub function_offset_bytes: Option<u64>,
    pub source_file: Option<String>,
    pub source_line: Option<u32>,
    /// Whether it is inlined into the next.
    pub inlined: bool,
}

impl SymbolRow {
    /// Bytes of the row beyond its own.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.function.len() + self.source_file.as_ref().map_or(0, String::len)
    }

    /// The rows of a location with these functions, innermost first.
    pub fn of(location_id: u32, frames: &[Frame]) -> impl Iterator<Item = Self> {
        (0..).zip(frames).map(move |(depth, frame)| Self {
            location_id,
            depth,
            function: frame.function.to_string(),
            function_offset_bytes: (!frame.inlined).then_some(frame.offset_bytes),
            source_file: frame.source.as_ref().map(|source| source.file.to_string()),
            source_line: frame.source.as_ref().map(|source| source.line),
            inlined: frame.inlined,
        })
    }
}

/// One frame of a stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackRow {
    pub stack_id: u32,
    /// 0 is the faulting instruction.
    pub depth: u16,
    pub location_id: u32,
}

/// A control group of version 2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CgroupRow {
    /// The kernel's id: the inode number of its directory.
    pub id: u64,
    /// Its path below the root of the hierarchy, beginning with `/`; raw bytes; empty if it was gone
    /// before it could be looked up.
    pub path: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_found_by_their_names() {
        for kind in MappingKind::ALL {
            assert_eq!(MappingKind::from_name(kind.name()), Some(kind));
        }
        for kind in LocationKind::ALL {
            assert_eq!(LocationKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(MappingKind::from_name("heaps"), None);
    }
}
