//! Where an instruction is, whatever address it was loaded at, and the names found for it.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::mapping::Device;

/// The identity that the linker gave a file's contents: the ELF note `NT_GNU_BUILD_ID`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BuildId(#[serde(with = "shared")] Arc<[u8]>);

/// A file with code in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct CodeFile {
    /// As its process named it, raw bytes.
    #[serde(with = "shared")]
    pub path: Arc<[u8]>,
    pub device: Device,
    pub inode: u64,
    /// Absent when the file has none or could not be read.
    pub build_id: Option<BuildId>,
}

/// The upper half of the address space is the kernel's.
pub const FIRST_KERNEL_ADDRESS: u64 = 1 << 63;

/// Where an instruction is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CodePlace {
    Kernel {
        address: u64,
    },
    File {
        #[serde(with = "shared")]
        file: Arc<CodeFile>,
        offset_bytes: u64,
        /// The address that the file itself gives this instruction (`nm`, `addr2line`), where its
        /// program headers could be read. With it a file of debug information alone is enough.
        elf_address: Option<u64>,
    },
    /// Memory without a file: a just-in-time compiler's. The address is the process's own.
    Jit {
        pid: u32,
        address: u64,
    },
    /// Code that the kernel lends every process.
    Vdso {
        offset_bytes: u64,
    },
    /// No mapping was known at the address.
    Unknown {
        address: u64,
    },
}

/// Where an instruction is, as far as that is known before anybody has looked into files.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum CodeSpot {
    Place(CodePlace),
    /// In a file; the number is the tracer's own.
    File {
        file: u32,
        offset_bytes: u64,
    },
    /// In shared memory: in a file of it if that is a program, else compiled code of the process.
    Shared {
        file: u32,
        offset_bytes: u64,
        pid: u32,
        address: u64,
    },
}

/// One function at a place. Several nest when the compiler put one into another.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Demangled; text of the program's choice, never printed without `render::sanitize`.
    #[serde(with = "shared")]
    pub function: Arc<str>,
    /// From the start of the function, or of the piece of it that the compiler set apart; 0 for an
    /// inlined one.
    pub offset_bytes: u64,
    pub source: Option<SourceLine>,
    /// Part of the next frame's machine code.
    pub inlined: bool,
}

/// A line of source code, as the debug information names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SourceLine {
    #[serde(with = "shared")]
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: Option<u16>,
}

/// The functions at a place, innermost first, the real (not inlined) one last; never empty.
pub type Resolution = Result<Arc<[Frame]>, Unresolved>;

/// Why a place has no name. A wrong name is worse than none.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    thiserror::Error,
    Serialize,
    Deserialize,
)]
pub enum Unresolved {
    #[error("no mapping was known there")]
    NotMapped,
    #[error("the file could not be opened; run as root, or give --debug-dir")]
    NoFile,
    #[error("the file is not an ELF file")]
    NotElf,
    #[error("the file here has another build id; give --debug-dir with the right one")]
    BuildIdDiffers,
    #[error("the file has no build id, so the one here cannot be verified to be the same")]
    NoBuildId,
    #[error("the file has no symbols; install its debug package, or give --debug-dir")]
    NoSymbols,
    #[error("no symbol of the file covers the place")]
    NoSymbolHere,
    #[error("the file's symbols could not be read")]
    Unreadable,
    #[error("the file was given up: reading it failed, or took too much time or memory")]
    GivenUp,
    #[error("no perf map; run node with --perf-basic-prof, python with -X perf")]
    NoPerfMap,
    #[error("the perf map belongs to neither the process's user nor root")]
    ForeignPerfMap,
    #[error("the perf map has no function there")]
    NotInPerfMap,
    #[error("two processes with code of their own had this pid")]
    PidReused,
    #[error("the kernel hides its symbols; run as root with kernel.kptr_restrict=0 or 1")]
    KernelHidden,
    #[error("the kernel that ran it is not running here")]
    OtherKernel,
}

/// Shared values as what they share.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize + ?Sized, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, T: ?Sized, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error>
    where
        Box<T>: Deserialize<'de>,
    {
        Box::<T>::deserialize(deserializer).map(Arc::from)
    }
}

impl BuildId {
    /// `None` for no bytes: an empty note identifies nothing.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (!bytes.is_empty()).then(|| Self(bytes.into()))
    }

    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for BuildId {
    /// Lower-case hexadecimal digits, as `readelf -n` and debug directories write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildId({self})")
    }
}

/// The text is not an even number of hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a build id is an even number of hexadecimal digits")]
pub struct NotABuildId;

impl FromStr for BuildId {
    type Err = NotABuildId;

    fn from_str(text: &str) -> Result<Self, NotABuildId> {
        let digits = text
            .chars()
            .map(|digit| {
                digit
                    .to_digit(16)
                    .and_then(|value| u8::try_from(value).ok())
            })
            .collect::<Option<Vec<u8>>>()
            .ok_or(NotABuildId)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Ok(high << 4 | low),
                _ => Err(NotABuildId),
            })
            .collect::<Result<_, _>>()?;
        Self::new(&bytes).ok_or(NotABuildId)
    }
}

impl CodeFile {
    /// The last part of the path; raw bytes.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        let name = self.path.rsplit(|&byte| byte == b'/').next();
        name.unwrap_or(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_id_reads_back_as_it_is_written() {
        let id = BuildId::new(&[0x00, 0xab, 0x9f]).expect("has bytes");
        assert_eq!(id.to_string(), "00ab9f");
        assert_eq!("00AB9f".parse(), Ok(id));
    }

    #[test]
    fn what_is_no_build_id_is_refused() {
        for text in ["", "abc", "0g", "é0", "+1"] {
            assert_eq!(text.parse::<BuildId>(), Err(NotABuildId), "{text}");
        }
    }

    #[test]
    fn a_file_is_named_by_the_end_of_its_path() {
        let file = |path: &[u8]| CodeFile {
            path: path.into(),
            device: Device::default(),
            inode: 0,
            build_id: None,
        };
        assert_eq!(file(b"/usr/lib/libc.so.6").name(), b"libc.so.6");
        assert_eq!(file(b"plain").name(), b"plain");
    }
}
