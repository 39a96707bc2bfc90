//! `do_user_addr_fault`: the address lies in user space.

use fault_trace_common::ErrorCode;

use super::{Ending, Walk, completion};
use crate::clues::Mode;

pub(super) fn follow(walk: &mut Walk<'_>) {
    walk.goes_on(
        "handle_page_fault",
        if walk.clues.address.is_some() {
            "the address is a user one: do_user_addr_fault"
        } else {
            "if the address is a user one: do_user_addr_fault"
        },
    );
    if !is_accepted(walk) {
        return;
    }
    find_mapping(walk);
    if check_access(walk) {
        completion::follow(walk);
    }
}

/// The vsyscall page: above user space, but the handler treats it as a user address.
pub(super) fn follow_vsyscall(walk: &mut Walk<'_>) {
    let bits = walk.clues.bits;
    walk.goes_on(
        "handle_page_fault",
        "the vsyscall page counts as a user address: do_user_addr_fault",
    );
    if !is_accepted(walk) {
        return;
    }
    if bits.may(ErrorCode::INSTRUCTION) && bits.may(ErrorCode::USER) {
        walk.may_end(
            "emulate_vsyscall",
            "a call of a legacy vsyscall: emulated, unless the kernel runs with vsyscall=none",
            &[Ending::Completed],
        );
    }
    walk.goes_on(
        "lock_mm_and_find_vma",
        "no mapping covers the vsyscall page",
    );
    walk.may_be_bad("bad_area_nosemaphore", "a bad access: SEGV_MAPERR");
}

/// Before any mapping is looked at; `false` if it always ends there.
fn is_accepted(walk: &mut Walk<'_>) -> bool {
    let bits = walk.clues.bits;
    if bits.may_not(ErrorCode::USER) && bits.may(ErrorCode::INSTRUCTION) {
        walk.may_end(
            "page_fault_oops",
            "kernel mode ran into user memory: a kernel bug (or an attack, stopped by SMEP)",
            &[Ending::Oops],
        );
        if bits.get(ErrorCode::USER) == Some(false)
            && bits.get(ErrorCode::INSTRUCTION) == Some(true)
        {
            return false;
        }
    }
    if bits.get(ErrorCode::RESERVED) == Some(true) {
        walk.may_end(
            "pgtable_bad",
            "a reserved bit is set in a user page table: corrupted, `Bad pagetable`",
            &[Ending::Oops],
        );
        return false;
    }
    if bits.may_not(ErrorCode::USER) {
        walk.may_end(
            "do_user_addr_fault",
            "SMAP is on and the AC flag is off: code that was not meant to touch user memory, such \
             as a null pointer followed in the kernel; the exception table is not asked",
            &[Ending::Oops],
        );
    }
    if walk.clues.may_be_mode(Mode::Kernel) {
        walk.may_end(
            "faulthandler_disabled",
            "page faults are disabled, or there is no user memory (interrupt, kernel thread): the \
             exception table, or an oops",
            &[Ending::FixedUp, Ending::Oops],
        );
    }
    walk.goes_on(
        "perf_sw_event",
        "the fault is accepted and counted as `page-faults`",
    );
    true
}

fn find_mapping(walk: &mut Walk<'_>) {
    let bits = walk.clues.bits;
    if bits.get(ErrorCode::PRESENT) == Some(true) {
        walk.goes_on(
            "lock_vma_under_rcu",
            "a page was present, so a mapping covers the address, unless it was unmapped meanwhile",
        );
        return;
    }
    walk.may_be_bad(
        "lock_mm_and_find_vma",
        "no mapping covers the address, and no stack can grow to it: SEGV_MAPERR",
    );
}

/// `access_error`: does the mapping allow the access? `false` if it never does.
fn check_access(walk: &mut Walk<'_>) -> bool {
    let bits = walk.clues.bits;
    let is = |bit| bits.get(bit) == Some(true);
    let (what, always) = if is(ErrorCode::PROTECTION_KEY) {
        let what = "a protection key forbids the access: SEGV_PKUERR";
        (what, true)
    } else if is(ErrorCode::SGX) {
        let what = "SGX refused the access (the enclave's memory is gone): SEGV_ACCERR";
        (what, true)
    } else if is(ErrorCode::SHADOW_STACK) {
        let what = "the mapping is no shadow stack: SEGV_ACCERR";
        (what, false)
    } else if is(ErrorCode::WRITE) {
        let what = "the mapping is not writable: SEGV_ACCERR; or its protection key forbids it: \
                    SEGV_PKUERR";
        (what, false)
    } else if is(ErrorCode::PRESENT) && is(ErrorCode::INSTRUCTION) {
        let what = "the page is not executable (data, heap or stack): SEGV_ACCERR";
        (what, true)
    } else if is(ErrorCode::PRESENT)
        && bits.get(ErrorCode::WRITE) == Some(false)
        && bits.get(ErrorCode::SHADOW_STACK) == Some(false)
    {
        let what = "a read that a present page forbade is never allowed: SEGV_ACCERR";
        (what, true)
    } else if is(ErrorCode::INSTRUCTION) {
        let what = "the mapping is PROT_NONE: SEGV_ACCERR";
        (what, false)
    } else {
        let what = "the mapping is PROT_NONE (a guard area): SEGV_ACCERR; or its protection key \
                    forbids the access: SEGV_PKUERR";
        (what, false)
    };
    walk.may_be_bad("access_error", what);
    !always
}
