//! What the kernel's sideband tells of the address spaces.

use super::mapping::Mapping;

/// Where a record was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The sideband of the whole machine: all processes are in it.
    Machine,
    /// That of the traced tasks and of what they forked.
    Tasks,
}

/// One sideband record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpaceEvent {
    /// ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    pub change: SpaceChange,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SpaceChange {
    /// This is now mapped, whatever was there before.
    Mapped { pid: u32, mapping: Mapping },
    /// A task was made; a process if its pid is not its parent's.
    Forked { pid: u32, tid: u32, parent_pid: u32 },
    /// A task got a name; with `exec`, its process a new and empty address space.
    Named {
        pid: u32,
        tid: u32,
        /// Raw bytes, without the NUL. Never printed without `render::sanitize`.
        comm: Vec<u8>,
        exec: bool,
    },
    /// A task ended.
    Exited { pid: u32, tid: u32 },
    /// The ring was full: so many records of this CPU are missing before this moment.
    Lost { records: u64 },
}

impl SpaceChange {
    /// The process it is about; `None` if it may be any.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        match self {
            Self::Mapped { pid, .. }
            | Self::Forked { pid, .. }
            | Self::Named { pid, .. }
            | Self::Exited { pid, .. } => Some(*pid),
            Self::Lost { .. } => None,
        }
    }
}
