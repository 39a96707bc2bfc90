//! The page-fault error code that x86 pushes (`enum x86_pf_error_code`, `asm/trap_pf.h`).

/// An x86 page-fault error code; the constants are its bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct ErrorCode(pub u32);

bits! {
    ErrorCode: u32, BITS {
        PRESENT = 0 "P" "the page was present: a protection fault",
        WRITE = 1 "W" "a write",
        USER = 2 "U" "from user mode",
        RESERVED = 3 "RSVD" "a reserved page-table bit was set",
        INSTRUCTION = 4 "I" "an instruction fetch",
        PROTECTION_KEY = 5 "PK" "forbidden by a protection key",
        SHADOW_STACK = 6 "SHSTK" "a shadow-stack access",
        SGX = 15 "SGX" "refused by SGX access control",
        RMP = 31 "RMP" "refused by the reverse map table (SEV-SNP)",
    }
}

impl ErrorCode {
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

named! {
    /// The kind of memory access that faulted.
    pub enum Access: u8, "the name of an access" {
        Read "read" "it read",
        Write "write" "it wrote",
        Exec "exec" "it fetched an instruction",
    }
}
