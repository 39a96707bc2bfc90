//! What the input says about the fault, before anything is concluded.

use fault_trace_common::ErrorCode;
use serde::Serialize;

use super::{
    bits::Bits,
    hex::{hex, hex_option},
};

/// The file mapping that the kernel printed for the instruction (`print_vma_addr` in mm/memory.c).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Mapping {
    /// The file's name without its directory. Untrusted.
    pub file: String,
    /// The instruction's offset in the file; printed by newer 6.x kernels.
    #[serde(serialize_with = "hex_option")]
    pub file_offset: Option<u64>,
    #[serde(serialize_with = "hex")]
    pub start: u64,
    #[serde(rename = "size_bytes")]
    pub size_bytes: u64,
}

/// Where the access was made, by the saved registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    User,
    Kernel,
}

impl Mode {
    /// The name used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Kernel => "kernel",
        }
    }
}

/// How the fault ended, where the input says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A SIGSEGV that the process did not handle.
    Segfault,
    /// A kernel oops.
    Oops,
}

/// The process of a `segfault at …` line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Process {
    /// Untrusted: a process names itself.
    pub name: String,
    /// The thread's id, which the kernel prints.
    pub tid: u32,
}

/// What the input says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Clues {
    pub(super) bits: Bits,
    pub(super) mode: Option<Mode>,
    pub(super) outcome: Option<Outcome>,
    pub(super) address: Option<u64>,
    pub(super) process: Option<Process>,
    pub(super) cpu: Option<u32>,
    pub(super) ip: Option<u64>,
    pub(super) sp: Option<u64>,
    pub(super) mapping: Option<Mapping>,
    /// Function and offset of the faulting instruction; untrusted text.
    pub(super) symbol: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Clues {
    /// Where the access was made: by the registers, else by the U bit, which only differs for
    /// accesses the CPU makes by itself (descriptor tables) and for WRUSS.
    pub(super) fn mode(&self) -> Option<Mode> {
        self.mode.or_else(|| {
            self.bits
                .get(ErrorCode::USER)
                .map(|user| if user { Mode::User } else { Mode::Kernel })
        })
    }

    pub(super) fn may_be_mode(&self, mode: Mode) -> bool {
        self.mode().is_none_or(|known| known == mode)
    }
}
