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

/// What ended the fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Closer {
    /// Nothing yet.
    None = 0,
    /// `handle_mm_fault` completed it (perf software event).
    End = 1,
    /// The kernel raised a signal for it.
    Signal = 2,
    /// The thread took another fault: it had gone on.
    NextStart = 3,
    /// A signal was delivered: the thread was on its way back to user mode.
    SignalDelivery = 4,
    /// The thread exited.
    Exit = 5,
    /// A legacy vsyscall was emulated.
    Vsyscall = 6,
    /// A fault that this one was nested in ended.
    OuterEnd = 7,
    /// Too many faults were nested; the oldest was given up.
    Overflow = 8,
}

impl Closer {
    /// Every closer; the index is its number.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::End,
        Self::Signal,
        Self::NextStart,
        Self::SignalDelivery,
        Self::Exit,
        Self::Vsyscall,
        Self::OuterEnd,
        Self::Overflow,
    ];

    /// Whether the moment of closing is the moment the fault was over. Other closers come later, so
    /// the latency of what they close is unknown.
    #[inline(always)]
    #[must_use]
    pub const fn is_timely(self) -> bool {
        matches!(self, Self::End | Self::Signal | Self::Vsyscall)
    }

    /// The name used in outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::End => "end",
            Self::Signal => "signal",
            Self::NextStart => "next-start",
            Self::SignalDelivery => "signal-delivery",
            Self::Exit => "exit",
            Self::Vsyscall => "vsyscall",
            Self::OuterEnd => "outer-end",
            Self::Overflow => "overflow",
        }
    }
}

const CLOSER_SHIFT: u32 = 32;
const SI_CODE_SHIFT: u32 = 40;
const REGION_SHIFT: u32 = 48;
const SIGNAL_SHIFT: u32 = 56;

/// The evidence word of one fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Evidence(pub u64);

impl Evidence {
    /// `handle_mm_fault` completed it.
    pub const ENDED: u64 = 1 << 0;
    /// The kernel counted it as major.
    pub const MAJOR: u64 = 1 << 1;
    /// From kernel mode, and the handler accepts a user address: page faults are not disabled.
    pub const CONFIRMED: u64 = 1 << 2;
    /// Taken in kernel mode (`page_fault_kernel`).
    pub const KERNEL_MODE: u64 = 1 << 3;
    /// `rss_stat` moved `MM_FILEPAGES`.
    pub const RSS_FILE: u64 = 1 << 4;
    /// `rss_stat` moved `MM_ANONPAGES`.
    pub const RSS_ANON: u64 = 1 << 5;
    /// `rss_stat` moved `MM_SWAPENTS`.
    pub const RSS_SWAP: u64 = 1 << 6;
    /// `rss_stat` moved `MM_SHMEMPAGES`.
    pub const RSS_SHMEM: u64 = 1 << 7;
    /// A user (movable) page of order 0 was allocated.
    pub const ALLOC_PAGE: u64 = 1 << 8;
    /// A user folio of order 1 to 8 was allocated.
    pub const ALLOC_LARGE: u64 = 1 << 9;
    /// A user folio of order 9 or more was allocated.
    pub const ALLOC_HUGE: u64 = 1 << 10;
    /// The allocation asked for zeroed memory.
    pub const ALLOC_ZEROED: u64 = 1 << 11;
    /// The page last allocated was freed again.
    pub const PAGE_FREED: u64 = 1 << 12;
    /// A page entered the page cache.
    pub const CACHE_ADD: u64 = 1 << 13;
    /// The fault went through `filemap_fault`.
    pub const FILEMAP_FAULT: u64 = 1 << 14;
    /// The thread issued block I/O.
    pub const BIO_QUEUED: u64 = 1 << 15;
    /// The thread slept uninterruptibly (D).
    pub const SLEPT_D: u64 = 1 << 16;
    /// The thread slept interruptibly (S).
    pub const SLEPT_S: u64 = 1 << 17;
    /// The thread was preempted (R).
    pub const PREEMPTED: u64 = 1 << 18;
    /// Pages were migrated to a closer NUMA node by the fault.
    pub const MIGRATED: u64 = 1 << 19;
    /// The thread's process was chosen by the OOM killer.
    pub const OOM_VICTIM: u64 = 1 << 20;
    /// Taken while another fault of the thread was open.
    pub const NESTED: u64 = 1 << 21;
    /// The fault that closed this one was at the same page: the access was tried again.
    pub const TRIED_AGAIN: u64 = 1 << 22;
    /// The thread reclaimed memory.
    pub const RECLAIMED: u64 = 1 << 23;
    /// The thread waited for a contended lock.
    pub const LOCK_WAITED: u64 = 1 << 24;
    /// Set while the thread reclaims memory: what it does then is no evidence about this fault.
    pub const IN_RECLAIM: u64 = 1 << 25;
    /// Set while the thread waits for a contended lock: a sleep then is no evidence of I/O.
    pub const IN_LOCK_WAIT: u64 = 1 << 26;
    /// The thread compacted memory.
    pub const COMPACTED: u64 = 1 << 27;
    /// Set while the thread compacts memory, as [`Self::IN_RECLAIM`].
    pub const IN_COMPACTION: u64 = 1 << 28;

    /// Every flag with the name used in outputs.
    pub const FLAGS: [(u64, &'static str); 29] = [
        (Self::ENDED, "ended"),
        (Self::MAJOR, "major"),
        (Self::CONFIRMED, "confirmed"),
        (Self::KERNEL_MODE, "kernel-mode"),
        (Self::RSS_FILE, "rss-file"),
        (Self::RSS_ANON, "rss-anon"),
        (Self::RSS_SWAP, "rss-swap"),
        (Self::RSS_SHMEM, "rss-shmem"),
        (Self::ALLOC_PAGE, "alloc-page"),
        (Self::ALLOC_LARGE, "alloc-large"),
        (Self::ALLOC_HUGE, "alloc-huge"),
        (Self::ALLOC_ZEROED, "alloc-zeroed"),
        (Self::PAGE_FREED, "page-freed"),
        (Self::CACHE_ADD, "cache-add"),
        (Self::FILEMAP_FAULT, "filemap-fault"),
        (Self::BIO_QUEUED, "bio-queued"),
        (Self::SLEPT_D, "slept-d"),
        (Self::SLEPT_S, "slept-s"),
        (Self::PREEMPTED, "preempted"),
        (Self::MIGRATED, "migrated"),
        (Self::OOM_VICTIM, "oom-victim"),
        (Self::NESTED, "nested"),
        (Self::TRIED_AGAIN, "tried-again"),
        (Self::RECLAIMED, "reclaimed"),
        (Self::LOCK_WAITED, "lock-waited"),
        (Self::IN_RECLAIM, "in-reclaim"),
        (Self::IN_LOCK_WAIT, "in-lock-wait"),
        (Self::COMPACTED, "compacted"),
        (Self::IN_COMPACTION, "in-compaction"),
    ];

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
        Closer::ALL
            .get(self.closer_number() as usize)
            .copied()
            .unwrap_or(Closer::None)
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
        Region::ALL
            .get(self.region_number() as usize)
            .copied()
            .unwrap_or(Region::KernelOther)
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
        for (flag, name) in Evidence::FLAGS {
            assert_eq!(flag.count_ones(), 1, "{name}");
            assert_eq!(seen & flag, 0, "{name}");
            assert!(flag < 1 << 32, "{name}");
            seen |= flag;
        }
        assert_eq!(seen.count_ones() as usize, Evidence::FLAGS.len());
    }

    #[test]
    fn the_index_is_the_number_of_the_closer() {
        for (index, closer) in Closer::ALL.into_iter().enumerate() {
            assert_eq!(closer as usize, index);
        }
    }
}
