//! The books of a thread's completed faults: its own counters in the kernel against what raised an exception.
//!
//! `mm/memory.c:mm_account_fault (v6.12)` raises the thread's `min_flt` or `maj_flt` for every completed fault,
//! and only then the perf event that is END. `get_user_pages()` (populate, mlock, exec, O_DIRECT, ptrace,
//! process_vm_*) completes faults for the thread that calls it and raises no event, since it has no registers to
//! show. So:
//!
//! - What the counters moved beyond the ENDs are faults without an exception ([`Ledger::settle`]).
//! - An open fault that is closed without END was completed if the counters moved since its START: its END was
//!   missed ([`Ledger::take_completed`]).
//! - What pages show while no fault is open is the doing of the fault without an exception that the counters
//!   show next ([`Ledger::note`]).

use crate::{
    evidence::Evidence,
    hooks::{Hook, Hooks},
    open::OpenFault,
    region::Region,
};

/// The fault counters that the kernel keeps of a thread: `min_flt` and `maj_flt` in `struct task_struct`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct FaultCounters {
    pub minor: u64,
    pub major: u64,
}

impl FaultCounters {
    /// Returns by how much they grew since `before`, modulo 2^64.
    #[inline(always)]
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            minor: self.minor.wrapping_sub(before.minor),
            major: self.major.wrapping_sub(before.major),
        }
    }

    /// Returns their sum, modulo 2^64.
    #[inline(always)]
    #[must_use]
    pub const fn total(self) -> u64 {
        self.minor.wrapping_add(self.major)
    }

    /// Adds one fault.
    #[inline(always)]
    pub const fn raise(&mut self, is_major: bool) {
        if is_major {
            self.major = self.major.wrapping_add(1);
        } else {
            self.minor = self.minor.wrapping_add(1);
        }
    }
}

/// What a fault without an exception did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Put zeroed pages of its own into a private mapping.
    Zeroed,
    /// Copied a page for a private mapping.
    Copied,
    /// Mapped pages of a file.
    File,
    /// Mapped shared memory.
    Shared,
    /// Mapped what was there, or nothing tells.
    Other,
}

impl Deed {
    /// Judges by the evidence, of which `hooks` says what it can hold.
    #[inline(always)]
    #[must_use]
    pub const fn of(evidence: Evidence, hooks: Hooks) -> Self {
        let cached = evidence.any(Evidence::CACHE_ADD);
        if evidence.any(Evidence::RSS_SHMEM) {
            return Self::Shared;
        }
        if evidence.any(Evidence::ALLOC_ZEROED) {
            return Self::Zeroed;
        }
        if !hooks.has(Hook::RssStat) {
            // A page of shared memory and a copy look the same then.
            return if cached { Self::File } else { Self::Other };
        }
        let anonymous = evidence.any(Evidence::RSS_ANON);
        if evidence.any(Evidence::RSS_FILE) && !anonymous {
            return Self::File;
        }
        if evidence.any(Evidence::RSS_SWAP) {
            return Self::Other;
        }
        // The kernel zeroes large pages itself since 6.13, and copies none in one piece.
        if anonymous && !cached && evidence.any(Evidence::ALLOC_LARGE | Evidence::ALLOC_HUGE) {
            return Self::Zeroed;
        }
        if evidence.any(Evidence::ALLOC_ANY) && (anonymous || !cached) {
            return Self::Copied;
        }
        Self::Other
    }
}

/// Faults without an exception.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settled {
    /// How many there were. Modulo 2^64: one too many of the last time is taken back.
    pub faults: FaultCounters,
    /// What the first of them did.
    pub deed: Deed,
    /// Base pages of new memory that the first of them took.
    pub pages: u32,
}

/// The books of a thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Ledger {
    /// The kernel's counters up to which every fault is accounted for.
    pub accounted: FaultCounters,
    /// What pages showed since then, while no fault was open.
    pub evidence: Evidence,
    /// Base pages allocated meanwhile.
    pub pages: u32,
    pub padding: u32,
}

impl Ledger {
    /// Opens the books where the kernel's counters stand.
    #[inline(always)]
    #[must_use]
    pub const fn from(accounted: FaultCounters) -> Self {
        Self {
            accounted,
            evidence: Evidence::NONE,
            pages: 0,
            padding: 0,
        }
    }

    /// Enters an END, or a completed fault that is none of the run's.
    #[inline(always)]
    pub const fn ended(&mut self, is_major: bool) {
        self.accounted.raise(is_major);
    }

    /// Whether the counters moved beyond what is accounted for.
    #[inline(always)]
    #[must_use]
    pub const fn has_moved(&self, now: FaultCounters) -> bool {
        now.minor != self.accounted.minor || now.major != self.accounted.major
    }

    /// Whether there is nothing to settle: no counter moved, and nothing was noted.
    #[inline(always)]
    #[must_use]
    pub const fn is_settled(&self, now: FaultCounters) -> bool {
        !self.has_moved(now) && self.evidence.word == 0
    }

    /// Enters what moved beyond the ENDs as faults without an exception, and forgets the evidence.
    #[inline(always)]
    pub const fn settle(&mut self, now: FaultCounters, hooks: Hooks) -> Settled {
        let settled = Settled {
            faults: now.since(self.accounted),
            deed: Deed::of(self.evidence, hooks),
            pages: self.pages,
        };
        *self = Self::from(now);
        settled
    }

    /// Notes what pages showed while no fault was open, flags of the first word. Call after [`Ledger::settle`] where the counters moved.
    ///
    /// A fault allocates first, and then pages become resident, once: what came before that was no fault, or it
    /// would have moved the counters (munmap(2), for one). Only a copy takes a page of a file away first, and only
    /// what was swapped out is of two kinds.
    #[inline(always)]
    pub const fn note(&mut self, evidence: u64, pages: u32) {
        const ANY: u64 = Evidence::of(Evidence::RSS_ANY).word;
        const ANON: u64 = Evidence::of(Evidence::RSS_ANON).word;
        const FILE: u64 = Evidence::of(Evidence::RSS_FILE).word;
        const SWAP: u64 = Evidence::of(Evidence::RSS_SWAP).word;
        let resident = self.evidence.word & ANY;
        let goes_on = match evidence {
            ANON => resident == FILE || resident == SWAP,
            SWAP => resident == ANON,
            _ => false,
        };
        if resident != 0 && !goes_on {
            self.evidence = Evidence::NONE;
            self.pages = 0;
        }
        self.evidence.word |= evidence;
        self.pages = self.pages.wrapping_add(pages);
    }

    /// Whether an open fault that is closed without END was completed, and as which; if so it is entered.
    ///
    /// A fault from user mode that was not completed is tried again before its thread can do anything else, so
    /// that the counters have not moved; but for work that waited for the thread to return there (io_uring), so
    /// that one that is tried again must show something. One from kernel mode may have been sent to the exception
    /// table, and the system call may have gone on with `get_user_pages()`: it was completed if its saved
    /// instruction pointer is still there (`keeps_ip`), or if it took a page and kept it.
    #[inline(always)]
    pub const fn take_completed(
        &mut self,
        now: FaultCounters,
        fault: &OpenFault,
        keeps_ip: bool,
    ) -> Option<bool> {
        let moved = now.since(self.accounted);
        // Negative where one too many was entered.
        if moved.total().cast_signed() <= 0 || !fault.evidence.in_region(Region::User) {
            return None;
        }
        let kept_a_page =
            fault.evidence.any(Evidence::ALLOC_ANY) && !fault.evidence.any(Evidence::PAGE_FREED);
        let shows = if fault.evidence.any(Evidence::KERNEL_MODE) {
            fault.is_accepted() && (kept_a_page || (keeps_ip && fault.takes_evidence()))
        } else {
            let repeated = fault.evidence.any(Evidence::TRIED_AGAIN);
            !repeated || kept_a_page || fault.evidence.any(Evidence::RSS_ANY)
        };
        if !shows {
            return None;
        }
        let waited = Evidence::BIO_QUEUED | Evidence::SLEPT_D;
        let is_major = moved.minor == 0 || (moved.major != 0 && fault.evidence.any(waited));
        self.accounted.raise(is_major);
        Some(is_major)
    }
}
