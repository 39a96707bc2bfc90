//! The page-fault error code that x86 pushes (`enum x86_pf_error_code`, `asm/trap_pf.h`).

/// An x86 page-fault error code; the constants are its bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// The page was present: a protection fault.
    pub const PRESENT: u32 = 1 << 0;
    /// The access was a write.
    pub const WRITE: u32 = 1 << 1;
    /// The access came from user mode.
    pub const USER: u32 = 1 << 2;
    /// A reserved bit was set in a page-table entry.
    pub const RESERVED: u32 = 1 << 3;
    /// The access was an instruction fetch.
    pub const INSTRUCTION: u32 = 1 << 4;
    /// A protection key forbade the access.
    pub const PROTECTION_KEY: u32 = 1 << 5;
    /// The access was a shadow-stack access.
    pub const SHADOW_STACK: u32 = 1 << 6;
    /// The access violated SGX's access control.
    pub const SGX: u32 = 1 << 15;
    /// The access violated the reverse map table (SEV-SNP).
    pub const RMP: u32 = 1 << 31;

    /// Every bit with its short name and its meaning, lowest first.
    pub const BITS: [(u32, &'static str, &'static str); 9] = [
        (
            Self::PRESENT,
            "P",
            "the page was present: a protection fault",
        ),
        (Self::WRITE, "W", "a write"),
        (Self::USER, "U", "from user mode"),
        (Self::RESERVED, "RSVD", "a reserved page-table bit was set"),
        (Self::INSTRUCTION, "I", "an instruction fetch"),
        (Self::PROTECTION_KEY, "PK", "forbidden by a protection key"),
        (Self::SHADOW_STACK, "SHSTK", "a shadow-stack access"),
        (Self::SGX, "SGX", "refused by SGX access control"),
        (
            Self::RMP,
            "RMP",
            "refused by the reverse map table (SEV-SNP)",
        ),
    ];

    /// Whether every bit of `mask` is set.
    #[inline(always)]
    #[must_use]
    pub const fn has(self, mask: u32) -> bool {
        self.0 & mask == mask
    }

    /// What the access was: an instruction fetch, a write or a read.
    #[inline(always)]
    #[must_use]
    pub const fn access(self) -> Access {
        if self.has(Self::INSTRUCTION) {
            Access::Exec
        } else if self.has(Self::WRITE) {
            Access::Write
        } else {
            Access::Read
        }
    }
}

/// The kind of memory access that faulted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Access {
    Read,
    Write,
    Exec,
}

impl Access {
    /// The name used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Exec => "exec",
        }
    }
}
