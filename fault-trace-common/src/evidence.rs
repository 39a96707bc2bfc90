//! The evidence: everything a fault showed between its START and its END or closer.
//!
//! Two words, 128 bits. They are stored in recordings, so that a later version can classify them anew. Bits
//! are never reused.
//!
//! | bits | meaning |
//! |---|---|
//! | 0–31 | flags, see the constants of [`Evidence`] |
//! | 32–39 | what closed the fault, [`Closer`] |
//! | 40–47 | `si_code` of the signal that closed it, as a signed byte |
//! | 48–51 | the address region, [`Region`] |
//! | 52–55 | unused |
//! | 56–63 | the number of the signal that closed it, or whose delivery did |
//! | 64–127 | more flags: the second word |

use crate::region::Region;

pub use crate::catalogue::closer::Closer;

const CLOSER_SHIFT: u32 = 32;
const SI_CODE_SHIFT: u32 = 40;
const REGION_SHIFT: u32 = 48;
const SIGNAL_SHIFT: u32 = 56;

/// The evidence of one fault. A mask of flags is a `u128`; where it is a constant, the compiler leaves out
/// the word that it has no part in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(C)]
pub struct Evidence {
    /// Bits 0 to 63.
    pub word: u64,
    /// Bits 64 to 127.
    pub more: u64,
}

bits! {
    Evidence: u128, FLAGS {
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
    pub const RSS_ANY: u128 = Self::RSS_FILE | Self::RSS_ANON | Self::RSS_SWAP | Self::RSS_SHMEM;
    /// Any allocation of a user page.
    pub const ALLOC_ANY: u128 = Self::ALLOC_PAGE | Self::ALLOC_LARGE | Self::ALLOC_HUGE;

    /// No evidence.
    pub const NONE: Self = Self { word: 0, more: 0 };

    /// True once a flag lies in the second word: until then no program and no record has to do with it.
    pub const USES_MORE: bool = {
        let (mut all, mut index) = (0, 0);
        while index < Self::FLAGS.len() {
            all |= Self::FLAGS[index].0;
            index += 1;
        }
        all >> 64 != 0
    };

    /// Returns the evidence that has just these flags.
    #[inline(always)]
    #[must_use]
    pub const fn of(flags: u128) -> Self {
        Self {
            word: flags as u64,
            more: (flags >> 64) as u64,
        }
    }

    /// Returns true if any flag of `mask` is set.
    #[inline(always)]
    #[must_use]
    pub const fn any(self, mask: u128) -> bool {
        let Self { word, more } = Self::of(mask);
        self.word & word != 0 || (more != 0 && self.more & more != 0)
    }

    /// Sets the flags of `mask`.
    #[inline(always)]
    pub const fn set(&mut self, mask: u128) {
        let Self { word, more } = Self::of(mask);
        self.word |= word;
        if more != 0 {
            self.more |= more;
        }
    }

    /// Clears the flags of `mask`.
    #[inline(always)]
    pub const fn clear(&mut self, mask: u128) {
        let Self { word, more } = Self::of(mask);
        self.word &= !word;
        if more != 0 {
            self.more &= !more;
        }
    }

    /// Returns the names of the flags that are set, lowest first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set = Self::FLAGS.into_iter();
        set.filter(move |&(flag, ..)| self.any(flag))
            .map(|(_, name, _)| name)
    }

    /// This evidence with the address region set.
    #[inline(always)]
    #[must_use]
    pub const fn with_region(mut self, region: Region) -> Self {
        self.word |= (region as u64) << REGION_SHIFT;
        self
    }

    /// This evidence with what closed the fault.
    #[inline(always)]
    #[must_use]
    pub const fn with_closer(mut self, closer: Closer) -> Self {
        self.word |= (closer as u64) << CLOSER_SHIFT;
        self
    }

    /// This evidence with the signal that closed the fault: number and `si_code`.
    #[inline(always)]
    #[must_use]
    pub const fn with_signal(mut self, number: u8, code: i8) -> Self {
        self.word |=
            (number as u64) << SIGNAL_SHIFT | (code.cast_unsigned() as u64) << SI_CODE_SHIFT;
        self
    }

    /// The number of the closer, see [`Closer::ALL`].
    #[inline(always)]
    #[must_use]
    pub const fn closer_number(self) -> u8 {
        (self.word >> CLOSER_SHIFT) as u8
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
        (self.word >> SI_CODE_SHIFT) as i8
    }

    /// The number of the signal that closed the fault or whose delivery did, 0 if none.
    #[inline(always)]
    #[must_use]
    pub const fn signal(self) -> u8 {
        (self.word >> SIGNAL_SHIFT) as u8
    }

    /// The number of the region, see [`Region::ALL`].
    #[inline(always)]
    #[must_use]
    pub const fn region_number(self) -> u8 {
        (self.word >> REGION_SHIFT) as u8 & 0xf
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
        let evidence = Evidence::of(Evidence::ENDED | Evidence::TRIED_AGAIN)
            .with_region(Region::KernelOther)
            .with_closer(Closer::Signal)
            .with_signal(11, -6);
        assert_eq!(evidence.region(), Region::KernelOther);
        assert_eq!(evidence.closer(), Closer::Signal);
        assert_eq!(evidence.signal(), 11);
        assert_eq!(evidence.si_code(), -6);
        assert!(evidence.names().eq(["ended", "tried-again"]));
        assert!(!evidence.any(Evidence::MAJOR | Evidence::NESTED));
    }

    #[test]
    fn each_flag_has_its_own_bit_and_a_place_for_it() {
        let mut seen = 0;
        for (flag, name, _) in Evidence::FLAGS {
            assert_eq!(flag.count_ones(), 1, "{name}");
            assert_eq!(seen & flag, 0, "{name}");
            assert!(
                FLAGS_MASK & flag != 0,
                "{name}: bits 32 to 63 are not flags"
            );
            seen |= flag;
        }
    }

    /// The places of flags.
    const FLAGS_MASK: u128 = !(u64::MAX as u128) | u32::MAX as u128;

    #[test]
    fn there_is_room_for_64_flags_more_none_of_which_touches_the_fields() {
        const TODAY: u32 = 29;
        assert!(FLAGS_MASK.count_ones() >= TODAY + 64);
        let fields = Evidence::NONE
            .with_region(Region::KernelText)
            .with_closer(Closer::Exit)
            .with_signal(9, -1);
        for flag in (0..u128::BITS)
            .map(|bit| 1 << bit)
            .filter(|bit| FLAGS_MASK & bit != 0)
        {
            let mut evidence = fields;
            evidence.set(flag);
            assert!(evidence.any(flag) && !evidence.any(FLAGS_MASK & !flag));
            assert_ne!(evidence, fields);
            assert_eq!(evidence.region(), Region::KernelText);
            assert_eq!(evidence.closer(), Closer::Exit);
            assert_eq!((evidence.signal(), evidence.si_code()), (9, -1));
            evidence.clear(flag);
            assert_eq!(evidence, fields);
        }
    }

    #[expect(unreachable_pub, reason = "the macro is for public tables")]
    mod grown {
        use super::Evidence;

        struct Wide;

        bits! {
            Wide: u128, FLAGS {
                LOW = 31 "low" "of the first word",
                HIGH = 127 "high" "of the second word",
            }
        }

        #[test]
        fn a_flag_can_be_added_to_either_word() {
            let evidence = Evidence::of(Wide::LOW | Wide::HIGH);
            assert_eq!((evidence.word, evidence.more), (1 << 31, 1 << 63));
            for (flag, ..) in Wide::FLAGS {
                assert!(evidence.any(flag));
            }
        }
    }
}
