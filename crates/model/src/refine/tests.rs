use std::sync::Arc;

use fault_trace_common::{Closer, ErrorCode, Facts, classify};
use proptest::prelude::*;

use super::*;
use crate::mapping::{Backing, Device, Mapping, Protection};

const SIGSEGV: u8 = 11;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Of {
    Anon,
    Stack,
    File,
    Shmem,
    Huge,
    Driver,
    Vdso,
}

const PRIVATE: bool = false;
const SHARED: bool = true;

fn mapping(of: Of, shared: bool, protection: u32) -> Mapping {
    let backing = || Backing {
        path: Arc::from(&b"/x"[..]),
        device: Device::default(),
        inode: 1,
        deleted: false,
    };
    Mapping {
        start: 0,
        end: 4096,
        offset_bytes: 0,
        protection: Protection::from_bits(protection),
        shared,
        kind: match of {
            Of::Anon => Kind::Anonymous,
            Of::Stack => Kind::Stack,
            Of::File => Kind::File(backing()),
            Of::Shmem => Kind::SharedMemory(backing()),
            Of::Huge => Kind::Hugetlb(backing()),
            Of::Driver => Kind::Device(backing()),
            Of::Vdso => Kind::Special(Arc::from(&b"[vdso]"[..])),
        },
    }
}

/// A machine without huge zero pages and NUMA balancing.
fn calm(hooks: Hooks) -> Conditions {
    Conditions {
        hooks,
        huge_zero_page: false,
        numa_hints: false,
    }
}

#[test]
fn what_leaves_no_trace_either_casts_doubt_on_anon_zero() {
    let fault = Fault {
        address: 5 << 20,
        ..fault(0, 0, Hooks::ALL)
    };
    let verdict = |conditions, end| {
        let mapping = Arc::new(Mapping {
            end,
            ..mapping(Of::Anon, PRIVATE, 3)
        });
        let found = Found {
            mapping: &mapping,
            since_ns: 0,
            certainty: Certainty::Confirmed,
            grew: false,
        };
        refine(&fault, conditions, Some(&found))
    };
    let calm = calm(Hooks::ALL);
    let huge = Conditions {
        huge_zero_page: true,
        ..calm
    };
    let hints = Conditions {
        numa_hints: true,
        ..calm
    };
    assert_eq!(verdict(calm, 8 << 20), exact(Class::AnonZero));
    assert_eq!(verdict(huge, 8 << 20), inferred(Class::AnonZero));
    assert_eq!(
        verdict(huge, (6 << 20) - 4096),
        exact(Class::AnonZero),
        "no room for a huge page"
    );
    assert_eq!(verdict(hints, 8 << 20), inferred(Class::AnonZero));
}

#[test]
fn without_rss_stat_the_mapping_decides_what_an_unzeroed_page_is() {
    let hooks = Hooks::ALL.without(Hook::RssStat);
    let write = fault(Evidence::ALLOC_PAGE, ErrorCode::WRITE, hooks);
    let read = fault(Evidence::ALLOC_PAGE, 0, hooks);
    assert_eq!((write.class, read.class), (Class::CowFile, Class::SwapIn));
    for (fault, of, shared, class) in [
        (&write, Of::Anon, PRIVATE, Class::SwapIn),
        (&write, Of::Shmem, SHARED, Class::Shmem),
        (&write, Of::Shmem, PRIVATE, Class::CowFile),
        (&write, Of::File, PRIVATE, Class::CowFile),
        (&write, Of::File, SHARED, Class::FileRead),
        (&read, Of::Anon, PRIVATE, Class::SwapIn),
        (&read, Of::Shmem, PRIVATE, Class::Shmem),
        (&read, Of::File, SHARED, Class::FileRead),
    ] {
        let verdict = refined(fault, hooks, &mapping(of, shared, 3), Certainty::Confirmed);
        assert_eq!(verdict, inferred(class), "{of:?}, shared: {shared}");
    }
}

/// A fault as the eBPF programs classify it.
fn fault(evidence: u128, error_code: u32, hooks: Hooks) -> Fault {
    fault_closed(
        Evidence::of(evidence | Evidence::ENDED).with_closer(Closer::End),
        error_code,
        hooks,
    )
}

fn fault_closed(evidence: Evidence, error_code: u32, hooks: Hooks) -> Fault {
    let error_code = ErrorCode(error_code | ErrorCode::USER);
    let Verdict { class, confidence } = classify(&Facts {
        evidence,
        error_code,
        hooks,
    });
    Fault {
        time_ns: 0,
        latency_ns: None,
        address: 8,
        ip: 0,
        evidence,
        error_code,
        pid: 1,
        tid: 1,
        cpu: 0,
        pages: 0,
        class,
        confidence,
        ..Fault::BLANK
    }
}

fn segv(si_code: i8, error_code: u32) -> Fault {
    let evidence = Evidence::NONE
        .with_closer(Closer::Signal)
        .with_signal(SIGSEGV, si_code);
    fault_closed(evidence, error_code, Hooks::ALL)
}

fn refined(fault: &Fault, hooks: Hooks, mapping: &Mapping, certainty: Certainty) -> Verdict {
    let found = Found {
        mapping: &Arc::new(mapping.clone()),
        since_ns: 0,
        certainty,
        grew: false,
    };
    refine(fault, calm(hooks), Some(&found))
}

const READ: u32 = 0;
const WRITE: u32 = ErrorCode::WRITE;
const PRESENT_WRITE: u32 = ErrorCode::WRITE | ErrorCode::PRESENT;
const NONE: u128 = 0;
const ZEROED: u128 = Evidence::RSS_ANON | Evidence::ALLOC_PAGE | Evidence::ALLOC_ZEROED;
const COPIED: u128 = Evidence::RSS_ANON | Evidence::ALLOC_PAGE;
const HUGE: u128 = Evidence::ALLOC_HUGE;
const COUNTED: u128 = Evidence::RSS_ANON;
const NO_RSS: Hooks = Hooks::ALL.without(Hook::RssStat);
const NO_ALLOC: Hooks = Hooks::ALL.without(Hook::PageAlloc);

#[test]
fn each_rule_refines_what_the_kernel_side_found() {
    use Class::*;
    let all = Hooks::ALL;
    #[rustfmt::skip]
    let rules = [
        // evidence, error code, hooks | told | mapping | refined
        (NONE, READ, all, inferred(AnonZero), Of::Anon, PRIVATE, exact(AnonZero)),
        (NONE, READ, NO_ALLOC, inferred(AnonZero), Of::Anon, PRIVATE, inferred(AnonZero)),
        (NONE, READ, all, inferred(AnonZero), Of::Huge, PRIVATE, exact(Hugetlb)),
        (NONE, READ, all, inferred(AnonZero), Of::Huge, SHARED, exact(Hugetlb)),
        (NONE, READ, all, inferred(AnonZero), Of::File, PRIVATE, inferred(FileCached)),
        (NONE, READ, all, inferred(AnonZero), Of::Shmem, SHARED, inferred(Shmem)),
        (NONE, READ, all, inferred(AnonZero), Of::Vdso, PRIVATE, inferred(AnonZero)),
        (NONE, READ, all, inferred(AnonZero), Of::Driver, SHARED, inferred(AnonZero)),
        (NONE, WRITE, all, inferred(AnonAlloc), Of::Huge, PRIVATE, exact(Hugetlb)),
        (NONE, WRITE, all, inferred(AnonAlloc), Of::Shmem, SHARED, inferred(Shmem)),
        (NONE, WRITE, all, inferred(AnonAlloc), Of::File, SHARED, inferred(FileCached)),
        (NONE, WRITE, all, inferred(AnonAlloc), Of::File, PRIVATE, inferred(CowFile)),
        (NONE, WRITE, all, inferred(AnonAlloc), Of::Anon, PRIVATE, inferred(AnonAlloc)),
        (COUNTED, WRITE, NO_ALLOC, inferred(AnonAlloc), Of::Anon, PRIVATE, exact(AnonAlloc)),
        (COUNTED, WRITE, NO_ALLOC, inferred(AnonAlloc), Of::File, PRIVATE, exact(CowFile)),
        (COUNTED, WRITE, NO_ALLOC, inferred(AnonAlloc), Of::Shmem, PRIVATE, exact(CowFile)),
        (COUNTED, READ, NO_ALLOC, inferred(AnonAlloc), Of::Shmem, PRIVATE, inferred(AnonAlloc)),
        (ZEROED, WRITE, all, exact(AnonAlloc), Of::Anon, PRIVATE, exact(AnonAlloc)),
        (ZEROED, WRITE, all, exact(AnonAlloc), Of::File, PRIVATE, inferred(CowFile)),
        (ZEROED, WRITE, all, exact(AnonAlloc), Of::Huge, PRIVATE, exact(AnonAlloc)),
        (ZEROED, WRITE, all, exact(AnonAlloc), Of::Shmem, SHARED, exact(AnonAlloc)),
        (HUGE, WRITE, all, inferred(AnonHuge), Of::Huge, PRIVATE, exact(Hugetlb)),
        (HUGE, WRITE, all, inferred(AnonHuge), Of::Shmem, SHARED, inferred(Shmem)),
        (HUGE, WRITE, all, inferred(AnonHuge), Of::Anon, PRIVATE, inferred(AnonHuge)),
        (HUGE | ZEROED, WRITE, all, exact(AnonHuge), Of::Huge, PRIVATE, exact(AnonHuge)),
        (COPIED, WRITE, all, inferred(CowFile), Of::File, PRIVATE, exact(CowFile)),
        (COPIED, WRITE, all, inferred(CowFile), Of::Shmem, PRIVATE, exact(CowFile)),
        (COPIED, WRITE, all, inferred(CowFile), Of::Anon, PRIVATE, inferred(CowFile)),
        (COPIED, WRITE, all, inferred(CowFile), Of::File, SHARED, inferred(CowFile)),
        (Evidence::ALLOC_PAGE, WRITE, NO_RSS, inferred(CowFile), Of::File, PRIVATE, inferred(CowFile)),
        (NONE, READ, NO_RSS, inferred(FileCached), Of::Anon, PRIVATE, inferred(AnonZero)),
        (NONE, READ, NO_RSS, inferred(FileCached), Of::Shmem, SHARED, inferred(Shmem)),
        (NONE, READ, NO_RSS, inferred(FileCached), Of::Huge, SHARED, exact(Hugetlb)),
        (NONE, READ, NO_RSS, inferred(FileCached), Of::File, SHARED, inferred(FileCached)),
        (Evidence::SLEPT_D, READ, NO_RSS, inferred(FileWait), Of::Shmem, SHARED, inferred(Shmem)),
        (Evidence::SLEPT_D, READ, NO_RSS, inferred(FileWait), Of::Anon, PRIVATE, inferred(FileWait)),
        (Evidence::MAJOR, READ, NO_RSS, inferred(FileCached), Of::Anon, PRIVATE, inferred(FileCached)),
        (Evidence::FILEMAP_FAULT, READ, all, inferred(FileCached), Of::Shmem, SHARED, inferred(FileCached)),
        (Evidence::RSS_FILE, READ, all, exact(FileCached), Of::Anon, PRIVATE, exact(FileCached)),
        (NONE, PRESENT_WRITE, all, inferred(WriteReuse), Of::Anon, PRIVATE, exact(WriteReuse)),
        (NONE, PRESENT_WRITE, all, inferred(WriteReuse), Of::File, PRIVATE, exact(WriteReuse)),
        (NONE, PRESENT_WRITE, NO_RSS, inferred(WriteReuse), Of::Anon, PRIVATE, inferred(WriteReuse)),
        (NONE, PRESENT_WRITE, all, inferred(WriteReuse), Of::File, SHARED, exact(WriteNotify)),
        (NONE, PRESENT_WRITE, all, inferred(WriteReuse), Of::Shmem, SHARED, exact(WriteNotify)),
        (NONE, PRESENT_WRITE, all, inferred(WriteReuse), Of::Huge, PRIVATE, inferred(CowAnon)),
        (NONE, PRESENT_WRITE, all, inferred(WriteReuse), Of::Huge, SHARED, inferred(WriteNotify)),
        (NONE, PRESENT_WRITE, all, inferred(WriteReuse), Of::Driver, SHARED, inferred(WriteReuse)),
        (Evidence::ALLOC_PAGE, PRESENT_WRITE, all, exact(CowAnon), Of::File, SHARED, exact(WriteNotify)),
        (Evidence::ALLOC_PAGE, PRESENT_WRITE, all, exact(CowAnon), Of::File, PRIVATE, exact(CowAnon)),
        (Evidence::SLEPT_D, READ, all, inferred(MigrationWait), Of::File, SHARED, inferred(MigrationWait)),
    ];
    for (evidence, error_code, hooks, told, of, shared, expected) in rules {
        let fault = fault(evidence, error_code, hooks);
        let case = format!("{evidence:#x} {error_code:#x} {of:?} shared {shared}");
        assert_eq!(
            (fault.class, fault.confidence),
            (told.class, told.confidence),
            "{case}"
        );
        let verdict = refined(&fault, hooks, &mapping(of, shared, 3), Certainty::Reported);
        assert_eq!(verdict, expected, "{case}");
    }
}

#[test]
fn a_completed_fault_below_the_stack_is_its_growth() {
    let stack = Arc::new(mapping(Of::Stack, PRIVATE, 3));
    for (fault, expected) in [
        (fault(ZEROED, WRITE, Hooks::ALL), exact(Class::StackGrowth)),
        (fault(NONE, READ, Hooks::ALL), exact(Class::StackGrowth)),
        (segv(1, WRITE), exact(Class::SegvUnmapped)),
        (
            fault(Evidence::RSS_FILE, READ, Hooks::ALL),
            exact(Class::FileCached),
        ),
    ] {
        let found = Found {
            mapping: &stack,
            since_ns: 0,
            certainty: Certainty::Reported,
            grew: true,
        };
        assert_eq!(refine(&fault, calm(Hooks::ALL), Some(&found)), expected);
    }
    let inside = refined(
        &fault(ZEROED, WRITE, Hooks::ALL),
        Hooks::ALL,
        &stack,
        Certainty::Reported,
    );
    assert_eq!(inside, exact(Class::AnonAlloc));
}

#[test]
fn a_forbidden_access_to_a_guard_is_told_from_others() {
    let fault = segv(2, WRITE);
    for (protection, certainty, expected) in [
        (0, Certainty::Reported, exact(Class::SegvGuard)),
        (0, Certainty::Uncertain, exact(Class::SegvAccess)),
        (1, Certainty::Confirmed, exact(Class::SegvAccess)),
    ] {
        let mapping = mapping(Of::Anon, PRIVATE, protection);
        assert_eq!(refined(&fault, Hooks::ALL, &mapping, certainty), expected);
    }
}

#[test]
fn only_a_snapshot_tells_a_guard_page_from_unmapped_memory() {
    let writable = mapping(Of::Anon, PRIVATE, 3);
    for (fault, certainty, expected) in [
        (
            segv(1, WRITE),
            Certainty::Confirmed,
            exact(Class::SegvGuard),
        ),
        (
            segv(1, WRITE),
            Certainty::Reported,
            inferred(Class::SegvUnmapped),
        ),
        (
            segv(1, WRITE),
            Certainty::Uncertain,
            exact(Class::SegvUnmapped),
        ),
        (
            segv(1, ErrorCode::INSTRUCTION),
            Certainty::Confirmed,
            exact(Class::SegvUnmapped),
        ),
    ] {
        assert_eq!(refined(&fault, Hooks::ALL, &writable, certainty), expected);
    }
}

fn any_found() -> impl Strategy<Value = (Mapping, Certainty, bool)> {
    let of = prop::sample::select(vec![
        Of::Anon,
        Of::Stack,
        Of::File,
        Of::Shmem,
        Of::Huge,
        Of::Driver,
        Of::Vdso,
    ]);
    let certainty = prop::sample::select(vec![
        Certainty::Confirmed,
        Certainty::Reported,
        Certainty::Uncertain,
    ]);
    (of, any::<bool>(), 0..8_u32, certainty, any::<bool>()).prop_map(
        |(of, shared, protection, certainty, grew)| {
            (
                mapping(of, shared, protection),
                certainty,
                grew && of == Of::Stack,
            )
        },
    )
}

fn any_fault() -> impl Strategy<Value = (Fault, Hooks)> {
    (
        any::<u64>(),
        0..64_u32,
        prop::sample::subsequence(Hook::ALL.to_vec(), 0..=Hook::COUNT),
        0..Closer::ALL.len(),
        0..6_i8,
    )
        .prop_map(|(flags, error_code, hooks, closer, code)| {
            let hooks: Hooks = hooks.into_iter().collect();
            let flags = Evidence::of(u128::from(flags & 0x7f_ffff));
            let closed = flags
                .with_closer(Closer::ALL[closer])
                .with_signal(SIGSEGV, code);
            (fault_closed(closed, error_code, hooks), hooks)
        })
}

proptest! {
    #[test]
    fn the_family_never_changes_but_as_the_table_of_classes_says(
        (fault, hooks) in any_fault(),
        (mapping, certainty, grew) in any_found(),
    ) {
        let mapping = Arc::new(mapping);
        let found = Found { mapping: &mapping, since_ns: 0, certainty, grew };
        let verdict = refine(&fault, calm(hooks), Some(&found));
        prop_assert!(verdict.class.may_look_like(fault.class, hooks));
        let is_other_family = verdict.class.family() != fault.class.family();
        if is_other_family && fault.class != Class::AnonAlloc {
            prop_assert_eq!(verdict.confidence, Confidence::Inferred);
        }
    }

    #[test]
    fn an_uncertain_mapping_proves_nothing(
        (fault, hooks) in any_fault(),
        (mapping, _, grew) in any_found(),
    ) {
        let mapping = Arc::new(mapping);
        let found = Found { mapping: &mapping, since_ns: 0, certainty: Certainty::Uncertain, grew };
        let verdict = refine(&fault, calm(hooks), Some(&found));
        if verdict.confidence == Confidence::Exact {
            prop_assert_eq!((verdict.class, Confidence::Exact), (fault.class, fault.confidence));
        }
    }

    #[test]
    fn without_a_mapping_nothing_changes((fault, hooks) in any_fault()) {
        let verdict = refine(&fault, calm(hooks), None);
        prop_assert_eq!((verdict.class, verdict.confidence), (fault.class, fault.confidence));
    }
}
