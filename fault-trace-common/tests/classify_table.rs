//! What each kind of evidence proves, as tables.

use fault_trace_common::{
    Class::{self, *},
    Closer,
    Confidence::{self, Exact, Inferred},
    ErrorCode, Evidence, Facts, Hook, Hooks, Region, Verdict, classify,
};

const P: u32 = ErrorCode::PRESENT;
const W: u32 = ErrorCode::WRITE;
const U: u32 = ErrorCode::USER;
const I: u32 = ErrorCode::INSTRUCTION;
const RSVD: u32 = ErrorCode::RESERVED;
const PK: u32 = ErrorCode::PROTECTION_KEY;
const SHSTK: u32 = ErrorCode::SHADOW_STACK;
const SGX: u32 = ErrorCode::SGX;

const fn ended(flags: u128) -> Evidence {
    Evidence::of(Evidence::ENDED | flags)
        .with_region(Region::User)
        .with_closer(Closer::End)
}

const fn signal(number: u8, code: i8, region: Region) -> Evidence {
    Evidence::NONE
        .with_region(region)
        .with_closer(Closer::Signal)
        .with_signal(number, code)
}

const fn user(closer: Closer, flags: u128) -> Evidence {
    Evidence::of(flags)
        .with_region(Region::User)
        .with_closer(closer)
}

const fn kernel(closer: Closer, flags: u128, region: Region) -> Evidence {
    Evidence::of(Evidence::KERNEL_MODE | flags)
        .with_region(region)
        .with_closer(closer)
}

const fn without(hook: Hook) -> Hooks {
    Hooks::ALL.without(hook)
}

type Row = (&'static str, Evidence, u32, Hooks, Class, Confidence);

#[track_caller]
fn check(rows: &[Row]) {
    for &(claim, evidence, error_code, hooks, class, confidence) in rows {
        let verdict = classify(&Facts {
            evidence,
            error_code: ErrorCode(error_code),
            hooks,
        });
        assert_eq!(verdict, Verdict { class, confidence }, "{claim}");
    }
}

#[test]
#[rustfmt::skip]
fn a_signal_names_the_bad_access() {
    use Region::{DirectMap, User, Vsyscall};
    let all = Hooks::ALL;
    check(&[
        ("MAPERR: no mapping", signal(11, 1, User), U, all, SegvUnmapped, Exact),
        ("ACCERR: the mapping forbids it", signal(11, 2, User), U | W, all, SegvAccess, Exact),
        ("PKUERR names the key without the bit", signal(11, 4, User), U, all, SegvPkey, Exact),
        ("the PK bit names the key", signal(11, 2, User), U | P | PK, all, SegvPkey, Exact),
        ("the SGX bit comes before the code", signal(11, 2, User), U | P | SGX, all, Sgx, Exact),
        ("a shadow-stack access", signal(11, 2, User), U | W | SHSTK, all, ShadowStack, Exact),
        ("a kernel address", signal(11, 1, DirectMap), U | P, all, SegvKernelAddress, Exact),
        ("the vsyscall page", signal(11, 1, Vsyscall), U | P, all, SegvKernelAddress, Exact),
        ("an unheard-of SIGSEGV", signal(11, 99, User), U, all, Unknown, Inferred),
        ("BUS_ADRERR: beyond the file", signal(7, 2, User), U, all, Sigbus, Exact),
        ("BUS_MCEERR_AR: poisoned", signal(7, 4, User), U, all, Hwpoison, Exact),
        ("BUS_MCEERR_AO: poisoned", signal(7, 5, User), U, all, Hwpoison, Exact),
        ("an unheard-of SIGBUS", signal(7, 1, User), U, all, Sigbus, Inferred),
        ("a signal no fault raises", signal(5, 1, User), U, all, Unknown, Inferred),
        ("a code proves it without any hook", signal(11, 1, User), U, Hooks::NONE, SegvUnmapped, Exact),
    ]);
}

#[test]
#[rustfmt::skip]
fn kernel_mode_without_an_end_was_fixed_up() {
    use Closer::{Exit, NextStart, OuterEnd, Overflow, SignalDelivery};
    use Region::{DirectMap, KernelText, User};
    const CONFIRMED: u128 = Evidence::CONFIRMED;
    const SLEPT: u128 = Evidence::CONFIRMED | Evidence::SLEPT_D;
    const VICTIM: u128 = Evidence::CONFIRMED | Evidence::OOM_VICTIM;
    let all = Hooks::ALL;
    check(&[
        ("an unaccepted user address", kernel(NextStart, 0, User), 0, all, NofaultProbe, Exact),
        ("a kernel address", kernel(NextStart, 0, DirectMap), 0, all, NofaultProbe, Exact),
        ("an accepted address", kernel(NextStart, CONFIRMED, User), 0, all, KernelEfault, Exact),
        ("until its thread goes on, it may be over otherwise", kernel(SignalDelivery, CONFIRMED, User), W, all, KernelEfault, Inferred),
        ("what encloses it proves less", kernel(OuterEnd, CONFIRMED, User), W, all, KernelEfault, Inferred),
        ("a sleeper that was killed", kernel(SignalDelivery, SLEPT, User).with_signal(9, 0), 0, all, Interrupted, Inferred),
        ("a sleeper that another signal found", kernel(SignalDelivery, SLEPT, User).with_signal(14, 0), 0, all, KernelEfault, Inferred),
        ("a sleeper that exits", kernel(Exit, SLEPT, User), 0, all, KernelEfault, Inferred),
        ("an OOM victim", kernel(Exit, VICTIM, User), 0, all, Oom, Inferred),
        ("given up", kernel(Overflow, CONFIRMED, User), 0, all, Unknown, Inferred),
        ("a stale TLB entry, W", kernel(NextStart, 0, KernelText), P | W, all, SpuriousKernel, Inferred),
        ("a stale TLB entry, I", kernel(NextStart, 0, KernelText), P | I, all, SpuriousKernel, Inferred),
        ("P alone is never spurious", kernel(NextStart, 0, KernelText), P, all, NofaultProbe, Exact),
        ("a killed sleeper's last access", kernel(NextStart, SLEPT, User), 0, all, KernelEfault, Inferred),
        ("a probe, or an oops", kernel(Exit, 0, User), 0, all, NofaultProbe, Inferred),
        ("a kernel address, or an oops", kernel(Exit, 0, DirectMap), 0, all, NofaultProbe, Inferred),
        ("a hole in the vmalloc range is vmalloc", kernel(NextStart, 0, Region::Vmalloc), 0, all, Vmalloc, Exact),
        ("with RSVD never spurious", kernel(NextStart, 0, KernelText), P | W | RSVD, all, NofaultProbe, Exact),
    ]);
}

#[test]
#[rustfmt::skip]
fn user_mode_without_an_end_was_given_up() {
    use Closer::{Exit, NextStart, Overflow, SignalDelivery, Vsyscall as Emulated};
    const RETRIED: u128 = Evidence::TRIED_AGAIN;
    let all = Hooks::ALL;
    let vsyscall = Evidence::NONE
        .with_region(Region::Vsyscall)
        .with_closer(Emulated);
    check(&[
        ("an emulated vsyscall", vsyscall, U | I, all, Vsyscall, Exact),
        ("an OOM victim", user(Exit, Evidence::OOM_VICTIM), U, all, Oom, Exact),
        ("a signal was delivered", user(SignalDelivery, 0), U, all, Interrupted, Exact),
        ("the thread exited", user(Exit, 0), U, all, Interrupted, Exact),
        ("out of memory, tried again", user(NextStart, Evidence::TRIED_AGAIN), U, all, Oom, Inferred),
        ("a wait cut short, tried again", user(NextStart, RETRIED | Evidence::SLEPT_D), U, all, Interrupted, Inferred),
        ("or a signal not seen", user(NextStart, RETRIED), U, without(Hook::SignalDeliver), Interrupted, Inferred),
        ("given up", user(Overflow, Evidence::OOM_VICTIM), U, all, Unknown, Inferred),
        ("nobody knows", user(NextStart, 0), U, all, Unknown, Inferred),
    ]);
}

#[test]
#[rustfmt::skip]
fn some_evidence_comes_before_the_error_code() {
    use Evidence as Ev;
    let all = Hooks::ALL;
    check(&[
        ("slept interruptibly", ended(Ev::SLEPT_S), U, all, Uffd, Exact),
        ("write-protected by userfaultfd", ended(Ev::SLEPT_S), U | W | P, all, Uffd, Exact),
        ("asleep in a file system", ended(Ev::SLEPT_S | Ev::RSS_FILE | Ev::CACHE_ADD), U, all, FileRead, Exact),
        ("asleep for who knows what", ended(Ev::SLEPT_S), U, without(Hook::RssStat), Uffd, Inferred),
        ("reclaim swapped out meanwhile", ended(Ev::RSS_SWAP | Ev::RSS_ANON | Ev::ALLOC_PAGE | Ev::ALLOC_ZEROED), U | W, all, SwapIn, Inferred),
        ("what is present is not in swap", ended(Ev::RSS_SWAP | Ev::ALLOC_PAGE), U | W | P, all, CowAnon, Exact),
        ("a swap entry went", ended(Ev::RSS_SWAP | Ev::RSS_ANON), U, all, SwapIn, Exact),
        ("migrated to a closer node", ended(Ev::MIGRATED), U, all, NumaHint, Exact),
        ("the page was freed unused", ended(Ev::ALLOC_PAGE | Ev::PAGE_FREED), U | W, all, Spurious, Exact),
        ("or perhaps used", ended(Ev::ALLOC_PAGE | Ev::PAGE_FREED), U | W, without(Hook::RssStat), Spurious, Inferred),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_completed_protection_fault_is_copy_on_write() {
    use Evidence as Ev;
    const C: u32 = U | W | P;
    const ANON: u128 = Ev::RSS_ANON;
    const PAGE: u128 = Ev::ALLOC_PAGE;
    let all = Hooks::ALL;
    check(&[
        ("a file page copied", ended(Ev::RSS_FILE | ANON | PAGE), C, all, CowFile, Exact),
        ("a shmem page copied", ended(Ev::RSS_SHMEM | ANON | PAGE), C, all, CowFile, Exact),
        ("a file page gone", ended(Ev::RSS_FILE), C, all, CowFile, Inferred),
        ("the zero page replaced", ended(ANON | PAGE), C, all, CowZero, Exact),
        ("the huge zero page replaced", ended(ANON | Ev::ALLOC_HUGE), C, all, CowZero, Exact),
        ("an anonymous page from nowhere", ended(ANON), C, all, CowZero, Inferred),
        ("an anonymous page copied", ended(PAGE), C, all, CowAnon, Exact),
        ("or a lost race", ended(PAGE), C, without(Hook::PageFree), CowAnon, Inferred),
        ("or a file's", ended(PAGE), C, without(Hook::RssStat), CowAnon, Inferred),
        ("zeroed instead", ended(PAGE | Ev::ALLOC_ZEROED), C, without(Hook::RssStat), CowZero, Inferred),
        ("a shadow stack after fork", ended(PAGE), U | P | SHSTK, all, CowAnon, Exact),
        ("a read is never completed", ended(0), U | P, all, Unknown, Inferred),
        ("room made for a shared page", ended(PAGE | Ev::CACHE_ADD), C, all, WriteNotify, Inferred),
        ("nothing moved", ended(0), C, all, WriteReuse, Inferred),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_completed_fault_on_nothing_is_demand() {
    use Evidence as Ev;
    const ANON: u128 = Ev::RSS_ANON;
    const FILE: u128 = Ev::RSS_FILE;
    const ZEROED: u128 = Ev::ALLOC_PAGE | Ev::ALLOC_ZEROED;
    let all = Hooks::ALL;
    check(&[
        ("a zeroed page", ended(ANON | ZEROED), U | W, all, AnonAlloc, Exact),
        ("several pages at once", ended(ANON | Ev::ALLOC_LARGE), U | W, all, AnonAlloc, Exact),
        ("an allocation not seen", ended(ANON), U | W, without(Hook::PageAlloc), AnonAlloc, Inferred),
        ("a huge page", ended(ANON | Ev::ALLOC_HUGE), U | W, all, AnonHuge, Exact),
        ("a private file's first write", ended(ANON | Ev::ALLOC_PAGE | Ev::FILEMAP_FAULT), U | W, all, CowFile, Exact),
        ("or a private shmem's", ended(ANON | Ev::ALLOC_PAGE), U | W, all, CowFile, Inferred),
        ("shared memory", ended(Ev::RSS_SHMEM | Ev::ALLOC_PAGE), U | W, all, Shmem, Exact),
        ("in the cache", ended(FILE | Ev::FILEMAP_FAULT), U, all, FileCached, Exact),
        ("read in", ended(FILE | Ev::CACHE_ADD | Ev::BIO_QUEUED | Ev::SLEPT_D | Ev::MAJOR), U, all, FileRead, Exact),
        ("read at once, or read ahead", ended(FILE | Ev::CACHE_ADD | Ev::BIO_QUEUED | Ev::MAJOR), U, all, FileRead, Inferred),
        ("two counters moved", ended(FILE | ANON | Ev::ALLOC_PAGE), U | W, all, CowFile, Inferred),
        ("somebody else's read", ended(FILE | Ev::SLEPT_D), U, all, FileWait, Exact),
        ("or perhaps its own", ended(FILE | Ev::SLEPT_D), U, without(Hook::BioQueue), FileWait, Inferred),
        ("the cache not watched", ended(FILE), U, without(Hook::CacheAdd), FileCached, Inferred),
        ("the cache not watched, major", ended(FILE | Ev::MAJOR), U, without(Hook::CacheAdd), FileRead, Inferred),
        ("another thread mapped it first", ended(Ev::FILEMAP_FAULT), U, all, FileCached, Inferred),
        ("slept, and nothing moved", ended(Ev::SLEPT_D), U, all, MigrationWait, Inferred),
        ("a read without a trace", ended(0), U, all, AnonZero, Inferred),
        ("a write without a trace", ended(0), U | W, all, AnonAlloc, Inferred),
        ("a huge page without a trace", ended(Ev::ALLOC_HUGE), U, all, AnonHuge, Inferred),
        ("a page that nobody counts", ended(Ev::ALLOC_PAGE), U, all, AnonAlloc, Inferred),
    ]);
}

#[test]
#[rustfmt::skip]
fn without_rss_stat_everything_not_present_is_inferred() {
    use Evidence as Ev;
    let old = without(Hook::RssStat);
    check(&[
        ("a huge page", ended(Ev::ALLOC_HUGE), U | W, old, AnonHuge, Inferred),
        ("a zeroed page", ended(Ev::ALLOC_PAGE | Ev::ALLOC_ZEROED), U | W, old, AnonAlloc, Inferred),
        ("read in", ended(Ev::CACHE_ADD | Ev::MAJOR | Ev::SLEPT_D), U, old, FileRead, Inferred),
        ("in the cache", ended(Ev::FILEMAP_FAULT), U, old, FileCached, Inferred),
        ("a private copy", ended(Ev::FILEMAP_FAULT | Ev::ALLOC_PAGE), U | W, old, CowFile, Inferred),
        ("I/O outside the cache", ended(Ev::BIO_QUEUED | Ev::MAJOR), U, old, SwapIn, Inferred),
        ("a page not zeroed, read", ended(Ev::ALLOC_PAGE), U, old, SwapIn, Inferred),
        ("a page not zeroed, write", ended(Ev::ALLOC_PAGE), U | W, old, CowFile, Inferred),
        ("a wait", ended(Ev::SLEPT_D), U, old, FileWait, Inferred),
        ("major", ended(Ev::MAJOR), U, old, FileCached, Inferred),
        ("a write", ended(0), U | W, old, AnonAlloc, Inferred),
        ("a read", ended(0), U, old, FileCached, Inferred),
    ]);
}
