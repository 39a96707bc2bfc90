//! The evidence word: everything a fault showed between its START and its END or closer.
//!
//! The word is stored in recordings, so that a later version can classify them anew. Bits are never
//! reused.
//!
//! | bits | meaning |
//! |---|---|
//! | 0–31 | flags, see the constants of [`Evidence`] |
//! | 32–39 | what closed the fault, [`Closer`] |
//! | 40–47 | `si_code` of the signal that closed it, as a signed byte |
//! | 48–51 | the address region, [`Region`] |
//! | 52–55 | unused |
//! | 56–63 | the number of the signal that closed it, or whose delivery did |

use crate::region::Region;

pub use crate::catalogue::closer::Closer;

const CLOSER_SHIFT: u32 = 32;
const SI_CODE_SHIFT: u32 = 40;
const REGION_SHIFT: u32 = 48;
const SIGNAL_SHIFT: u32 = 56;

/// The evidence word of one fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Evidence(pub u64);

bits! {
    Evidence: u64, FLAGS {
        ENDED = 0 "ended" "`handle_mm_fault` completed it",
        MAJOR = 1 "major" "the kernel counted it as major",
        CONFIRMED = 2 "confirmed" "from kernel mode, and the handler accepts a user address: page faults are not disabled",
        KERNEL_MODE = 3 "kernel-mode" "taken in kernel mode (`page_fault_kernel`)",
        RSS_FILE = 4 "rss-file" "`rss_stat` moved `MM_FILEPAGES`",
        RSS_ANON = 5 "rss-anon" "`rss_stat` moved `MM_ANONPAGES`",
        RSS_SWAP = 6 "rss-swap" "`rss_stat` moved `MM_SWAPENTS`",
        RSS_SHMEM = 7 "rss-shmem" "`rss_stat` moved `MM_SHMEMPAGES`",
        ALLOC_PAGE = 8 "alloc-page" "a user (movable) page of order 0 was allocated",
        ALLOC_LARGE = 9 "alloc-large" "a user folio of order 1 to 8 was allocated",
        ALLOC_HUGE = 10 "alloc-huge" "a user folio of order 9 or more was allocated",
        ALLOC_ZEROED = 11 "alloc-zeroed" "the allocation asked for zeroed memory",
        PAGE_FREED = 12 "page-freed" "the page last allocated was freed again",
        CACHE_ADD = 13 "cache-add" "a page entered the page cache",
        FILEMAP_FAULT = 14 "filemap-fault" "the fault went through `filemap_fault`",
        BIO_QUEUED = 15 "bio-queued" "the thread issued block I/O",
        SLEPT_D = 16 "slept-d" "the thread slept uninterruptibly (D)",
        SLEPT_S = 17 "slept-s" "the thread slept interruptibly (S)",
        PREEMPTED = 18 "preempted" "the thread was preempted (R)",
        MIGRATED = 19 "migrated" "pages were migrated to a closer NUMA node by the fault",
        OOM_VICTIM = 20 "oom-victim" "the thread's process was chosen by the OOM killer",
        NESTED = 21 "nested" "taken while another fault of the thread was open",
        TRIED_AGAIN = 22 "tried-again" "the fault that closed this one was at the same page: the access was tried again",
        RECLAIMED = 23 "reclaimed" "the thread reclaimed memory",
        LOCK_WAITED = 24 "lock-waited" "the thread waited for a contended lock",
        IN_RECLAIM = 25 "in-reclaim" "set while the thread reclaims memory: what it does then is no evidence about this fault",
        IN_LOCK_WAIT = 26 "in-lock-wait" "set while the thread waits for a contended lock: a sleep then is no evidence of I/O",
        COMPACTED = 27 "compacted" "the thread compacted memory",
        IN_COMPACTION = 28 "in-compaction" "set while the thread compacts memory, as `in-reclaim`",
    }
}

impl Evidence {
    /// Any `rss_stat` movement.
    pub const RSS_ANY: u64 = Self::RSS_FILE | Self::RSS_ANON | Self::RSS_SWAP | Self::RSS_SHMEM;
    /// Any allocation of a user page.
    pub const ALLOC_ANY: u64 = Self::ALLOC_PAGE | Self::ALLOC_LARGE | Self::ALLOC_HUGE;

    /// Whether any bit of `mask` is set.
    #[inline(always)]
    #[must_use]
    pub const fn any(self, mask: u64) -> bool {
        self.0 & mask != 0
    }

    /// This word with the address region set.
    #[inline(always)]
    #[must_use]
    pub const fn with_region(self, region: Region) -> Self {
        Self(self.0 | (region as u64) << REGION_SHIFT)
    }

    /// This word with what closed the fault.
    #[inline(always)]
    #[must_use]
    pub const fn with_closer(self, closer: Closer) -> Self {
        Self(self.0 | (closer as u64) << CLOSER_SHIFT)
    }

    /// This word with the signal that closed the fault: number and `si_code`.
    #[inline(always)]
    #[must_use]
    pub const fn with_signal(self, number: u8, code: i8) -> Self {
        Self(
            self.0
                | (number as u64) << SIGNAL_SHIFT
                | (code.cast_unsigned() as u64) << SI_CODE_SHIFT,
        )
    }

    /// The number of the closer, see [`Closer::ALL`].
    #[inline(always)]
    #[must_use]
    pub const fn closer_number(self) -> u8 {
        (self.0 >> CLOSER_SHIFT) as u8
    }

    /// What closed the fault; an unknown number reads as [`Closer::None`].
    #[must_use]
    pub fn closer(self) -> Closer {
        Closer::from_number(self.closer_number()).unwrap_or(Closer::None)
    }

    /// The `si_code` of the signal that closed the fault.
    #[inline(always)]
    #[must_use]
    pub const fn si_code(self) -> i8 {
        (self.0 >> SI_CODE_SHIFT) as i8
    }

    /// The number of the signal that closed the fault or whose delivery did, 0 if none.
    #[inline(always)]
    #[must_use]
    pub const fn signal(self) -> u8 {
        (self.0 >> SIGNAL_SHIFT) as u8
    }

    /// The number of the region, see [`Region::ALL`].
    #[inline(always)]
    #[must_use]
    pub const fn region_number(self) -> u8 {
        (self.0 >> REGION_SHIFT) as u8 & 0xf
    }

    /// Whether the address lies in `region`.
    #[inline(always)]
    #[must_use]
    pub const fn in_region(self, region: Region) -> bool {
        self.region_number() == region as u8
    }

    /// The address region; an unknown number reads as [`Region::KernelOther`].
    #[must_use]
    pub fn region(self) -> Region {
        Region::from_number(self.region_number()).unwrap_or(Region::KernelOther)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_overlap() {
        let word = Evidence(Evidence::ENDED | Evidence::TRIED_AGAIN)
            .with_region(Region::KernelOther)
            .with_closer(Closer::Signal)
            .with_signal(11, -6);
        assert_eq!(word.region(), Region::KernelOther);
        assert_eq!(word.closer(), Closer::Signal);
        assert_eq!(word.signal(), 11);
        assert_eq!(word.si_code(), -6);
        assert!(word.any(Evidence::ENDED) && word.any(Evidence::TRIED_AGAIN));
        assert!(!word.any(Evidence::MAJOR | Evidence::NESTED));
    }

    #[test]
    fn each_flag_has_its_own_bit_among_the_low_32() {
        let mut seen = 0;
        for (flag, name, _) in Evidence::FLAGS {
            assert_eq!(flag.count_ones(), 1, "{name}");
            assert_eq!(seen & flag, 0, "{name}");
            assert!(flag < 1 << 32, "{name}");
            seen |= flag;
        }
        assert_eq!(seen.count_ones() as usize, Evidence::FLAGS.len());
    }
}
