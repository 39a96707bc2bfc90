//! One mapping (VMA) of a process: what lies behind a range of addresses.
//!
//! Both `PERF_RECORD_MMAP2` and /proc/PID/maps lead here, see [`naming`] for what their names mean.

pub mod devices;
pub mod maps;
pub mod naming;

pub use devices::{Device, Devices};
pub use maps::{MapsError, parse_maps};
pub use naming::{Names, Source};

use std::sync::Arc;

use fault_trace_common::error_code::Access;

/// A mapping as it was made. Later calls may have replaced or unmapped parts of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Mapping {
    pub start: u64,
    /// The first address beyond it.
    pub end: u64,
    /// Where in the file `start` lies; 0 for memory without a file.
    pub offset_bytes: u64,
    pub protection: Protection,
    /// `MAP_SHARED`: writes reach the file or the other processes.
    pub shared: bool,
    pub kind: Kind,
}

/// What may be done to a mapping's memory. All false is `PROT_NONE`: a guard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Protection {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

/// What a mapping is backed by.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Private memory. The first `brk` of a process looks like this, too.
    Anonymous,
    /// Private memory that the program gave a name (`PR_SET_VMA_ANON_NAME`).
    Named(Arc<[u8]>),
    Heap,
    /// The stack of the main thread: it grows downwards on demand.
    Stack,
    File(Backing),
    /// tmpfs: memfd, /dev/shm, System V, shared anonymous memory.
    SharedMemory(Backing),
    Hugetlb(Backing),
    /// Memory that a driver hands out; no page cache behind it.
    Device(Backing),
    /// What the kernel put there: `[vdso]`, `[vvar]`, `[vsyscall]`, `[uprobes]`.
    Special(Arc<[u8]>),
}

/// The file behind a mapping.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Backing {
    /// As the kernel gives it, raw bytes, without its ` (deleted)`.
    pub path: Arc<[u8]>,
    pub device: Device,
    pub inode: u64,
    /// Whether the file had no name any more when this was read.
    pub deleted: bool,
}

impl Protection {
    /// From the `PROT_*` bits of the system calls and of `PERF_RECORD_MMAP2`.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self {
            read: bits & 1 != 0,
            write: bits & 2 != 0,
            execute: bits & 4 != 0,
        }
    }

    /// Whether the kernel lets a user access pass (`access_error`, arch/x86/mm/fault.c): on x86
    /// whatever is accessible at all can be read, protection keys aside.
    #[must_use]
    #[inline]
    pub const fn allows(self, access: Access) -> bool {
        match access {
            Access::Read => self.read || self.write || self.execute,
            Access::Write => self.write,
            Access::Exec => self.execute,
        }
    }
}

impl Kind {
    /// The file behind it, if there is one.
    #[must_use]
    #[inline]
    pub const fn backing(&self) -> Option<&Backing> {
        match self {
            Self::File(backing)
            | Self::SharedMemory(backing)
            | Self::Hugetlb(backing)
            | Self::Device(backing) => Some(backing),
            Self::Anonymous | Self::Named(_) | Self::Heap | Self::Stack | Self::Special(_) => None,
        }
    }

    /// Whether its pages are private anonymous memory.
    #[must_use]
    #[inline]
    pub const fn is_anonymous(&self) -> bool {
        matches!(
            self,
            Self::Anonymous | Self::Named(_) | Self::Heap | Self::Stack
        )
    }

    /// Whether both may be names of the same memory: the kernel's two sources name anonymous memory
    /// differently, and a file's path changes while it is mapped.
    fn agrees_with(&self, other: &Self) -> bool {
        match (self.backing(), other.backing()) {
            (Some(mine), Some(theirs)) => {
                (mine.device, mine.inode) == (theirs.device, theirs.inode)
            }
            (None, None) => self.is_anonymous() == other.is_anonymous(),
            // A private /dev/zero is anonymous memory with a file's name.
            _ => false,
        }
    }
}

impl Mapping {
    /// The bytes it covers.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    #[must_use]
    #[inline]
    pub const fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }

    /// Whether nothing may be done to it: `PROT_NONE`.
    #[must_use]
    #[inline]
    pub const fn is_guard(&self) -> bool {
        let Protection {
            read,
            write,
            execute,
        } = self.protection;
        !read && !write && !execute
    }

    /// Whether a fault below it can make it grow. Neither source tells of `MAP_GROWSDOWN`, so this
    /// is the main thread's stack alone.
    #[must_use]
    #[inline]
    pub const fn grows_down(&self) -> bool {
        matches!(self.kind, Kind::Stack)
    }

    /// Where `address` lies in the file; `None` outside or without a file.
    #[must_use]
    #[inline]
    pub fn file_offset_bytes(&self, address: u64) -> Option<u64> {
        let backed = self.kind.backing().is_some() && self.contains(address);
        backed.then(|| self.offset_bytes.wrapping_add(address - self.start))
    }

    /// The name shown for it; raw bytes, never printed without `render::sanitize`.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match &self.kind {
            Kind::Anonymous => b"[anon]",
            Kind::Heap => b"[heap]",
            Kind::Stack => b"[stack]",
            Kind::Named(name) | Kind::Special(name) => name,
            Kind::File(backing)
            | Kind::SharedMemory(backing)
            | Kind::Hugetlb(backing)
            | Kind::Device(backing) => &backing.path,
        }
    }

    /// Whether `other` describes the same memory where both lie; their bounds may differ.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let same_offset = self.kind.backing().is_none()
            || self.offset_bytes.wrapping_sub(self.start)
                == other.offset_bytes.wrapping_sub(other.start);
        same_offset
            && self.protection == other.protection
            && self.shared == other.shared
            && self.kind.agrees_with(&other.kind)
    }
}

#[cfg(test)]
mod tests;
