//! Classes of faults, their families and the confidence of a verdict.

use super::{
    feature::Feature,
    hook::Hook::{
        self, BioQueue, CacheAdd, EmulateVsyscall, MarkVictim, MigratePages, PageAlloc, PageFree,
        RssStat, SchedSwitch,
    },
    hook::Hooks,
    kernel::Version,
};
use crate::ErrorCode;

named! {
    /// Groups of classes, in the order of the output.
    pub enum Family: u8, "the name of a family" {
        Demand "demand" "a page was needed for the first time",
        Cow "cow" "a write to a page that was shared or write-protected",
        Swap "swap" "a page came back from swap",
        Userfault "userfault" "the program itself provided the page",
        Placement "placement" "the page was elsewhere, or on its way",
        Raced "raced" "another thread was faster",
        BadArea "bad-area" "the access was refused",
        Kernel "kernel" "the kernel's own accesses, fixed up",
        Retried "retried" "the attempt was given up",
        Unknown "unknown" "none of these",
    }
}

named! {
    /// Confidence of a verdict: the evidence proves the class, or only fits it best.
    pub enum Confidence: u8, "exact or inferred" {
        Exact "exact" "the evidence proves the class",
        Inferred "inferred" "the class fits the evidence best, but the evidence allows another",
    }
}

/// Part of the mapping of the address in telling a class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mapping {
    /// Nothing: the evidence is enough.
    Unneeded,
    /// It proves the class, which is inferred without.
    Proves,
    /// Only the mapping tells the class from others of its family.
    Tells,
}

/// What becomes resident by a fault, in pages of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gain {
    /// No page, or one in the place of another; the zero page and those of hugetlbfs count as nobody's.
    Nothing,
    /// Memory of the process's own: what was allocated for it.
    Own,
    /// A transparent huge page, unless it is the huge zero page, which counts as nobody's.
    Huge,
    /// A page of the cache, and what fault-around maps with it.
    Cached,
    /// A page of shared memory, and those that are mapped with it.
    Shared,
    /// A copy of a file's page: in its place where that was mapped.
    Copy,
    /// A page, and perhaps its neighbours or the folio it is in (`mm/memory.c:finish_fault (v6.18)`).
    AtLeastOne,
    /// What fault-around mapped before the fault was given up.
    GivenUp,
    /// Not known: what a userfaultfd handler filled in counts, too.
    Uncounted,
}

/// Entry of the table of classes.
#[derive(Clone, Copy, Debug)]
pub struct ClassInfo {
    pub family: Family,
    pub gain: Gain,
    /// The evidence of it, for people; `V` stands for the mapping, END for completion.
    pub evidence: &'static str,
    /// Without these hooks it shows as another class.
    pub told_by: &'static [Hook],
    /// With these hooks it can be proven; `None`: never.
    pub proven_by: Option<&'static [Hook]>,
    /// Conditions under which it is not proven all the same, for people; empty for none.
    pub but: &'static str,
    pub mapping: Mapping,
    /// Classes of other families that it may look like until the mapping is known.
    pub refined_from: &'static [Class],
    /// Further ones in a run without `rss_stat`, where more is guessed.
    pub guessed_from: &'static [Class],
    /// It never happens without.
    pub feature: Option<Feature>,
    /// Functions of the kernel's handler in which it may end.
    pub ends_in: &'static [&'static str],
    /// Bits of the error code that are set; those that are clear.
    pub code: (u32, u32),
    /// Remedies, for people who have many such faults.
    pub advice: &'static str,
}

impl ClassInfo {
    /// Returns the first kernel where the class can be proven, if that is not the oldest supported one.
    #[must_use]
    pub fn proven_since(&self) -> Option<Version> {
        let hooks = self.proven_by.unwrap_or_default().iter();
        hooks.filter_map(|hook| hook.info().told_since()).max()
    }
}

/// The columns of the table beside name, family, gain and meaning: a class that is never proven, told by
/// evidence alone.
const fn seen(evidence: &'static str) -> ClassInfo {
    ClassInfo {
        family: Family::Unknown,
        gain: Gain::Nothing,
        evidence,
        told_by: &[],
        proven_by: None,
        but: "",
        mapping: Mapping::Unneeded,
        refined_from: &[],
        guessed_from: &[],
        feature: None,
        ends_in: &[],
        code: (0, 0),
        advice: "",
    }
}

impl ClassInfo {
    const fn told_by(self, told_by: &'static [Hook]) -> Self {
        Self { told_by, ..self }
    }

    const fn proven_by(self, hooks: &'static [Hook]) -> Self {
        Self {
            proven_by: Some(hooks),
            ..self
        }
    }

    const fn but(self, but: &'static str) -> Self {
        Self { but, ..self }
    }

    const fn mapping(self, mapping: Mapping) -> Self {
        Self { mapping, ..self }
    }

    const fn refined_from(self, refined_from: &'static [Class]) -> Self {
        Self {
            refined_from,
            ..self
        }
    }

    const fn guessed_from(self, guessed_from: &'static [Class]) -> Self {
        Self {
            guessed_from,
            ..self
        }
    }

    const fn needs(self, feature: Feature) -> Self {
        Self {
            feature: Some(feature),
            ..self
        }
    }

    const fn ends_in(self, functions: &'static [&'static str]) -> Self {
        Self {
            ends_in: functions,
            ..self
        }
    }

    const fn set(self, bits: u32) -> Self {
        Self {
            code: (bits, self.code.1),
            ..self
        }
    }

    const fn clear(self, bits: u32) -> Self {
        Self {
            code: (self.code.0, bits),
            ..self
        }
    }

    const fn advice(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }
}

macro_rules! classes {
    ($($Variant:ident $name:literal $Family:ident $Gain:ident $meaning:literal $info:expr,)+) => {
        named! {
            /// Class of a fault; the order is that of the output. Recordings hold the name.
            pub enum Class: u8, "the name of a class" {
                $($Variant $name $meaning,)+
            }
        }

        impl Class {
            /// Returns what is known about this class.
            #[must_use]
            pub const fn info(self) -> &'static ClassInfo {
                match self {
                    $(Self::$Variant => const {
                        &ClassInfo { family: Family::$Family, gain: Gain::$Gain, ..$info }
                    },)+
                }
            }

            /// Returns the family this class belongs to.
            #[must_use]
            pub const fn family(self) -> Family {
                match self {
                    $(Self::$Variant => Family::$Family,)+
                }
            }
        }
    };
}

// What can be proven is what `classify` and `refine` decide, and a property test holds them together: what
// rests on a bit of the error code, on a signal or on the mapping needs no optional hook.
classes! {
AnonZero "anon-zero" Demand Nothing
    "first read of private memory that was never written: the shared zero page is mapped, and the first write faults again"
    seen("not present, read, END without a trace, anonymous V")
        .proven_by(&[RssStat, PageAlloc])
        .mapping(Mapping::Proves)
        .but("inferred where a huge zero page or a NUMA hint would look the same")
        .ends_in(&["do_anonymous_page"])
        .clear(ErrorCode::PRESENT | ErrorCode::WRITE)
        .advice("write first instead of reading; do not scan fresh buffers; `MADV_POPULATE_WRITE`"),
AnonAlloc "anon-alloc" Demand Own
    "first write to private memory: heap, arena, thread stack"
    seen("not present, anonymous counter moved, page allocated")
        .proven_by(&[RssStat])
        .ends_in(&["do_anonymous_page"])
        .set(ErrorCode::WRITE)
        .clear(ErrorCode::PRESENT)
        .advice("reuse memory (pools, arenas); keep freed memory with `M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` (glibc) or a longer decay (jemalloc); `MADV_HUGEPAGE` for large heaps; prefault with `MAP_POPULATE` or `MADV_POPULATE_WRITE` off the critical path"),
AnonHuge "anon-huge" Demand Huge
    "a transparent huge page: one fault for 2 MiB, most of it spent on clearing"
    seen("not present, anonymous counter moved, order-9 page allocated (reading maps the huge zero page: `anon-zero`, inferred)")
        .proven_by(&[RssStat, PageAlloc])
        .told_by(&[PageAlloc])
        .needs(Feature::HugePages)
        .ends_in(&["do_anonymous_page"])
        .clear(ErrorCode::PRESENT)
        .advice("good for throughput; for latency prefault at start, look at `transparent_hugepage/defrag`, and keep sparse ranges out with `MADV_NOHUGEPAGE`"),
Hugetlb "hugetlb" Demand Nothing
    "a page of the hugetlb pool"
    seen("hugetlb mapping V, no counter moved")
        .proven_by(&[])
        .mapping(Mapping::Tells)
        .needs(Feature::Hugetlb)
        .ends_in(&["hugetlb_fault"])
        .clear(ErrorCode::PRESENT)
        .advice("prefault at start (`MAP_POPULATE`); reserve the pool at boot"),
StackGrowth "stack-growth" Demand Own
    "the main stack, or a `MAP_GROWSDOWN` mapping, grew downwards"
    seen("the mapping grew to the address V")
        .proven_by(&[])
        .mapping(Mapping::Tells)
        .ends_in(&["do_anonymous_page"])
        .set(ErrorCode::WRITE)
        .clear(ErrorCode::PRESENT)
        .advice("touch the stack once at start (`mlockall`); smaller frames, less recursion. Stacks of threads are ordinary mappings: `anon-alloc`"),
FileCached "file-cached" Demand Cached
    "the file's page was in the page cache, and not mapped here yet"
    seen("file counter moved, nothing added to the cache, no sleep")
        .proven_by(&[RssStat, CacheAdd, SchedSwitch])
        .ends_in(&["do_fault"])
        .clear(ErrorCode::PRESENT)
        .advice("map once and keep the mapping; `MAP_POPULATE` or `MADV_POPULATE_READ`; `read()` for a single pass"),
FileRead "file-read" Demand AtLeastOne
    "this fault read the page from its file"
    seen("page added to the cache, or I/O issued, and slept")
        .proven_by(&[RssStat, SchedSwitch])
        .but("inferred if it did not sleep: it may have been read-ahead")
        .guessed_from(&[Class::CowFile, Class::SwapIn])
        .ends_in(&["do_fault"])
        .clear(ErrorCode::PRESENT)
        .advice("`MADV_WILLNEED` or `posix_fadvise` ahead of use; `MADV_SEQUENTIAL` or `MADV_RANDOM` to suit the access; warm up; `mlock` what must not leave"),
FileWait "file-wait" Demand AtLeastOne
    "slept on another thread's I/O or page lock"
    seen("file page, slept, added nothing to the cache")
        .proven_by(&[RssStat, SchedSwitch, BioQueue])
        .told_by(&[SchedSwitch])
        .but("inferred if the file counter did not move")
        .ends_in(&["do_fault"])
        .clear(ErrorCode::PRESENT)
        .advice("as `file-read`; do not send many threads to the same cold page"),
Shmem "shmem" Demand Shared
    "first touch of shared anonymous memory, memfd, System V or tmpfs; also its return from swap"
    seen("shared-memory counter moved")
        .proven_by(&[RssStat])
        .guessed_from(&[Class::CowFile, Class::SwapIn])
        .ends_in(&["do_fault"])
        .clear(ErrorCode::PRESENT)
        .advice("prefault with `MADV_POPULATE_WRITE`; huge pages (`huge=` of tmpfs, `shmem_enabled`); enough memory, so that it is not swapped"),
CowAnon "cow-anon" Cow Nothing
    "a page shared after `fork`, or merged by KSM, was copied"
    seen("present, write, page allocated, no counter moved")
        .proven_by(&[RssStat, PageAlloc, PageFree])
        .told_by(&[PageAlloc])
        .ends_in(&["do_wp_page"])
        .set(ErrorCode::PRESENT)
        .advice("fork less, or fork early; `posix_spawn` or `vfork` before `exec`; `MADV_DONTFORK` for what children do not need; write less while a snapshot child lives; no KSM for hot memory"),
CowZero "cow-zero" Cow Own
    "first write after a read of fresh memory"
    seen("present, write, page allocated, only the anonymous counter moved")
        .proven_by(&[RssStat, PageAlloc])
        .but("before, it shows as `cow-anon`")
        .ends_in(&["do_wp_page"])
        .set(ErrorCode::PRESENT)
        .advice("as `anon-zero`: write first"),
CowFile "cow-file" Cow Copy
    "first write to a private mapping of a file: data and relocations of programs and libraries, `MAP_PRIVATE` files"
    seen("anonymous counter moved and a page copied, not cleared; the file's or V")
        .proven_by(&[RssStat])
        .refined_from(&[Class::AnonAlloc])
        .but("before, a page that was present shows as `cow-anon`")
        .ends_in(&["do_fault", "do_wp_page"])
        .set(ErrorCode::WRITE)
        .advice("fewer relocations (static or prelinked programs, `-Bsymbolic`); fork from a warmed-up process; `read()` into a reused buffer"),
WriteReuse "write-reuse" Cow Nothing
    "the page is private again, and is made writable as it is: after a child has gone or copied, after `mprotect`, under soft-dirty tracking"
    seen("present, write, private V, nothing allocated, no counter moved")
        .proven_by(&[RssStat, PageAlloc])
        .mapping(Mapping::Proves)
        .ends_in(&["do_wp_page"])
        .set(ErrorCode::PRESENT)
        .advice("as `cow-anon`; fewer `mprotect` round trips: card marking, or userfaultfd write protection"),
WriteNotify "write-notify" Cow Nothing
    "first write to a clean page of a shared file mapping: the file system must know"
    seen("present, write, shared file V")
        .proven_by(&[])
        .mapping(Mapping::Tells)
        .but("inferred if the fault itself did I/O, or on hugetlb")
        .ends_in(&["do_wp_page"])
        .set(ErrorCode::PRESENT)
        .advice("each write-back makes pages clean again: `msync` less often; batch writes; keep scratch data on tmpfs or hugetlbfs; `write()`"),
SwapIn "swap-in" Swap AtLeastOne
    "an anonymous page came back from swap: from the device, or from the swap cache (the evidence `bio-queued` and `slept-d` tell)"
    seen("not present, swap counter moved")
        .proven_by(&[RssStat])
        .needs(Feature::Swap)
        .guessed_from(&[Class::CowFile])
        .ends_in(&["do_swap_page"])
        .clear(ErrorCode::PRESENT)
        .advice("less memory in use, or more of it; `mlock` what is hot; protect the service (`memory.low`); lower swappiness; `MADV_WILLNEED` ahead of use"),
Uffd "uffd" Userfault Uncounted
    "a userfaultfd handler provided the page: live migration, lazy restore, garbage collectors"
    seen("slept in S and completed, not a file")
        .proven_by(&[RssStat, SchedSwitch])
        .told_by(&[SchedSwitch])
        .needs(Feature::Userfaultfd)
        .but("inferred since 5.18, not visible before")
        .ends_in(&["handle_userfault"])
        .advice("answer larger ranges at once; more handler threads; prefetch"),
NumaHint "numa-hint" Placement Nothing
    "NUMA balancing had hidden the page, and moved it closer"
    seen("pages migrated, no counter moved")
        .proven_by(&[MigratePages])
        .told_by(&[MigratePages])
        .needs(Feature::NumaBalancing)
        .but("a hint that moves nothing leaves no trace and shows as `anon-zero` or `anon-alloc`, inferred")
        .ends_in(&["do_numa_page"])
        .clear(ErrorCode::PRESENT)
        .advice("pin threads and memory (`numactl`, `mbind`); `kernel.numa_balancing=0`"),
MigrationWait "migration-wait" Placement Nothing
    "waited while the kernel moved or split the page"
    seen("not present, slept in D, no other trace")
        .told_by(&[RssStat, SchedSwitch])
        .needs(Feature::Migration)
        .ends_in(&["do_swap_page"])
        .clear(ErrorCode::PRESENT)
        .advice("less compaction (`vm.compaction_proactiveness`); fewer partial `munmap` or `MADV_DONTNEED` of huge pages; pin memory"),
Spurious "spurious" Raced Nothing
    "another thread completed the same fault first"
    seen("the page allocated was freed again, no counter moved")
        .proven_by(&[RssStat, PageFree])
        .told_by(&[PageFree])
        .but("a race without such a trace shows as the class it raced for, inferred")
        .ends_in(&["handle_pte_fault"])
        .advice("harmless; let one thread prefault, or partition the first touch"),
SegvUnmapped "segv-unmapped" BadArea Nothing
    "nothing is mapped there"
    seen("SIGSEGV, MAPERR")
        .proven_by(&[])
        .ends_in(&["lock_mm_and_find_vma", "handle_pte_marker"])
        .advice("a bug, unless a handler expects it: `fault-trace explain` the line in the log"),
SegvAccess "segv-access" BadArea Nothing
    "the mapping forbids it: a write to read-only, a jump to no-exec memory"
    seen("SIGSEGV, ACCERR")
        .proven_by(&[])
        .ends_in(&["access_error"])
        .clear(ErrorCode::PROTECTION_KEY | ErrorCode::SHADOW_STACK | ErrorCode::SGX)
        .advice("a bug, or a write barrier: userfaultfd write protection is cheaper than a signal"),
SegvGuard "segv-guard" BadArea Nothing
    "a guard: `PROT_NONE`, or `MADV_GUARD_INSTALL`"
    seen("ACCERR and `PROT_NONE` V; or MAPERR where a mapping still is V")
        .proven_by(&[])
        .mapping(Mapping::Tells)
        .but("`MADV_GUARD_INSTALL` only if the mapping was seen afterwards, else `segv-unmapped`, inferred")
        .ends_in(&["access_error", "handle_pte_marker"])
        .clear(ErrorCode::PRESENT | ErrorCode::PROTECTION_KEY | ErrorCode::SHADOW_STACK | ErrorCode::SGX)
        .advice("a stack overflow, or a runtime's safepoint or null check"),
SegvPkey "segv-pkey" BadArea Nothing
    "a protection key forbids it"
    seen("SIGSEGV, PKUERR or the PK bit")
        .proven_by(&[])
        .needs(Feature::ProtectionKeys)
        .ends_in(&["access_error"])
        .clear(ErrorCode::INSTRUCTION | ErrorCode::SHADOW_STACK | ErrorCode::SGX)
        .advice("check the thread's PKRU, also in signal handlers and new threads"),
SegvKernelAddress "segv-kernel-address" BadArea Nothing
    "user mode touched a kernel address (a non-canonical one raises another exception)"
    seen("SIGSEGV, address not in user space")
        .proven_by(&[])
        .ends_in(&["bad_area_nosemaphore"])
        .clear(ErrorCode::SGX)
        .advice("a wild pointer"),
Sigbus "sigbus" BadArea Nothing
    "beyond the end of the mapped file, no space for its block, hugetlb pool empty"
    seen("SIGBUS, ADRERR")
        .proven_by(&[])
        .but("inferred with another code than ADRERR")
        .ends_in(&["do_sigbus"])
        .advice("do not truncate mapped files; `fallocate` first"),
Hwpoison "hwpoison" BadArea Nothing
    "the memory is broken"
    seen("SIGBUS, MCEERR")
        .proven_by(&[])
        .needs(Feature::MemoryFailure)
        .ends_in(&["do_sigbus"])
        .advice("replace the module; see the machine-check log"),
Sgx "sgx" BadArea Nothing
    "the enclave's access control refused it, as after suspend"
    seen("SIGSEGV and the SGX bit")
        .proven_by(&[])
        .needs(Feature::Sgx)
        .ends_in(&["access_error", "bad_area_nosemaphore"])
        .set(ErrorCode::SGX)
        .clear(ErrorCode::PROTECTION_KEY)
        .advice("load the enclave again"),
ShadowStack "shadow-stack" BadArea Nothing
    "a shadow-stack access where there is none"
    seen("SIGSEGV and the SHSTK bit")
        .proven_by(&[])
        .needs(Feature::ShadowStack)
        .ends_in(&["access_error"])
        .set(ErrorCode::SHADOW_STACK)
        .clear(ErrorCode::PROTECTION_KEY | ErrorCode::SGX)
        .advice("code that switches stacks must also switch the shadow stack"),
KernelEfault "kernel-efault" Kernel Nothing
    "a system call was given a bad address: it fails with EFAULT, or stops short"
    seen("kernel mode, user address, accepted, no END, no signal")
        .proven_by(&[])
        .but("inferred if it was the thread's last: only its next fault proves it")
        .ends_in(&["lock_mm_and_find_vma", "access_error", "handle_pte_marker", "do_sigbus", "bad_area_nosemaphore"])
        .advice("check the program's pointers and results"),
NofaultProbe "nofault-probe" Kernel Nothing
    "the kernel looked without wanting to wait: futex, buffered writes, stack walks of profilers"
    seen("kernel mode, never accepted; it went on")
        .proven_by(&[])
        .but("inferred if the thread exited next")
        .ends_in(&["faulthandler_disabled", "fixup_exception"])
        .advice("harmless"),
SpuriousKernel "spurious-kernel" Kernel Nothing
    "a stale translation after the kernel relaxed a protection"
    seen("kernel mode, kernel address, code W+P or I+P, the thread went on")
        .ends_in(&["spurious_kernel_fault"])
        .advice("harmless"),
Vmalloc "vmalloc" Kernel Nothing
    "not present in the vmalloc range. 64-bit kernels since 5.8 never synchronise their page tables in the handler: there it is a probe of a hole"
    seen("kernel mode, not present, not RSVD, vmalloc range")
        .proven_by(&[])
        .ends_in(&["vmalloc_fault"])
        .clear(ErrorCode::PRESENT | ErrorCode::RESERVED)
        .advice("harmless"),
Vsyscall "vsyscall" Kernel Nothing
    "a call into the legacy vsyscall page was emulated"
    seen("tracepoint `emulate_vsyscall`")
        .proven_by(&[EmulateVsyscall])
        .told_by(&[EmulateVsyscall])
        .needs(Feature::Vsyscall)
        .ends_in(&["emulate_vsyscall"])
        .advice("link against a C library that uses the vDSO"),
Interrupted "interrupted" Retried GivenUp
    "a signal ended the wait; the access is tried again, or the thread dies"
    seen("user mode, closed by a signal's delivery or the exit; or a sleep in kernel mode and SIGKILL")
        .proven_by(&[])
        .but("inferred in kernel mode")
        .ends_in(&["fault_signal_pending"])
        .advice("fewer signals to threads that wait for pages"),
Oom "oom" Retried GivenUp
    "no memory: the OOM killer chose the process, or the access is tried again"
    seen("the process was chosen as victim")
        .proven_by(&[MarkVictim])
        .but("inferred in kernel mode")
        .ends_in(&["pagefault_out_of_memory"])
        .advice("raise `memory.max`, or use less"),
Unknown "unknown" Unknown Uncounted
    "none of these"
    seen("everything else")
        .advice("export it; its evidence shows what was seen"),
}

const _: () = assert!(
    Class::COUNT <= u64::BITS as usize,
    "masks of classes are 64 bits"
);

impl Class {
    /// This class's bit in a mask of classes.
    #[inline(always)]
    #[must_use]
    pub const fn bit(self) -> u64 {
        1 << self as u8
    }

    /// Tells whether only the mapping distinguishes the class from others of its family.
    #[must_use]
    pub const fn is_by_mapping(self) -> bool {
        matches!(self.info().mapping, Mapping::Tells)
    }

    /// Tells whether a fault of this class may look like `before` until the mapping is known, in a run with
    /// these hooks.
    #[must_use]
    pub fn may_look_like(self, before: Self, hooks: Hooks) -> bool {
        let info = self.info();
        self.family() == before.family()
            || info.refined_from.contains(&before)
            || (!hooks.has(RssStat) && info.guessed_from.contains(&before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_says_how_it_is_known_and_what_to_do() {
        for class in Class::ALL {
            let info = class.info();
            assert_eq!(info.family, class.family());
            assert!(!info.evidence.is_empty(), "{class:?}");
            assert!(!info.advice.is_empty(), "{class:?}");
            assert_eq!(
                info.ends_in.is_empty(),
                class == Class::Unknown,
                "{class:?}"
            );
            assert_eq!(info.code.0 & info.code.1, 0, "{class:?}");
            // What cannot be told cannot be proven.
            if let Some(proven_by) = info.proven_by {
                let lacking = info.told_by.iter().find(|hook| !proven_by.contains(hook));
                assert_eq!(lacking, None, "{class:?}");
            }
            assert!(class.may_look_like(class, Hooks::ALL));
        }
        assert!(Class::CowFile.may_look_like(Class::AnonAlloc, Hooks::ALL));
        assert!(!Class::AnonAlloc.may_look_like(Class::CowFile, Hooks::ALL));
        assert!(!Class::Shmem.may_look_like(Class::CowFile, Hooks::ALL));
        assert!(Class::Shmem.may_look_like(Class::CowFile, Hooks::ALL.without(RssStat)));
    }

    #[test]
    fn a_class_can_be_proven_since_all_its_hooks_tell_of_single_faults() {
        let since = |class: Class| class.info().proven_since();
        assert_eq!(since(Class::AnonAlloc), Some(Version::RSS_STAT_UNBATCHED));
        assert_eq!(since(Class::SegvAccess), None);
    }

    /// A table with one class more, in the middle of a family that is not the last.
    #[expect(unreachable_pub, reason = "the macro is for public tables")]
    mod grown {
        use super::{ClassInfo, Family, Gain, Mapping, seen};

        classes! {
            AnonZero "anon-zero" Demand Nothing "a read" seen("read").proven_by(&[]).advice("write"),
            Added "added" Demand Nothing "added" seen("V").mapping(Mapping::Tells).advice("none"),
            CowAnon "cow-anon" Cow Nothing "a copy" seen("write").advice("none"),
            Unknown "unknown" Unknown Nothing "the rest" seen("the rest").advice("none"),
        }

        #[test]
        fn a_class_can_be_added_to_any_family() {
            assert_eq!(Class::ALL[1], Class::Added);
            assert_eq!(Class::from_name(Class::Added.name()), Some(Class::Added));
            assert_eq!(Class::from_number(Class::Added as u8), Some(Class::Added));
            assert_eq!(Class::from_number(Class::COUNT as u8), None);
            assert_eq!(Class::Added.family(), Family::Demand);
            assert_eq!(Class::Added.meaning(), "added");
            assert_eq!(Class::Added.info().mapping, Mapping::Tells);
        }
    }
}
