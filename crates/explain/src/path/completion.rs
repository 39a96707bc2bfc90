//! `handle_mm_fault` (mm/memory.c): the mapping allows the access, and the page is provided.

use fault_trace_common::ErrorCode;

use super::{Ending, Walk};
use crate::clues::Mode;

pub(super) fn follow(walk: &mut Walk<'_>) {
    let bits = walk.clues.bits;
    let may_write = bits.may(ErrorCode::WRITE);
    if bits.may_not(ErrorCode::PRESENT) {
        demand(walk, may_write);
        elsewhere(walk);
    }
    if bits.may(ErrorCode::PRESENT) && (may_write || bits.may(ErrorCode::SHADOW_STACK)) {
        walk.may_end(
            "do_wp_page",
            "private mapping: copy on write, or the page is used again if nobody shares it; shared \
             mapping: the first write is noted (page_mkwrite)",
            &[Ending::Completed],
        );
    }
    walk.may_end(
        "handle_userfault",
        "userfaultfd watches the range: user space provides the page",
        &[Ending::Completed],
    );
    walk.may_end(
        "handle_pte_fault",
        "another thread had completed the same fault",
        &[Ending::Completed],
    );
    failures(walk);
}

fn demand(walk: &mut Walk<'_>, may_write: bool) {
    let may_read = walk.clues.bits.may_not(ErrorCode::WRITE);
    walk.may_end(
        "do_anonymous_page",
        match (may_read, may_write) {
            (true, false) => "anonymous memory, first touched by a read: the shared zero page",
            (false, true) => "anonymous memory (heap, stack): a zeroed page is allocated",
            _ => {
                "anonymous memory: the shared zero page for a read, a zeroed page for a \
                        write"
            }
        },
        &[Ending::Completed],
    );
    walk.may_end(
        "do_fault",
        if may_write {
            "file or shared memory: from the page cache or the device; a private mapping gets its \
             own copy at a write"
        } else {
            "file or shared memory: from the page cache or the device"
        },
        &[Ending::Completed],
    );
    walk.may_end(
        "hugetlb_fault",
        "hugetlb memory: a page of the pool",
        &[Ending::Completed],
    );
}

/// The page table entry is not empty, and yet not present.
fn elsewhere(walk: &mut Walk<'_>) {
    walk.may_end(
        "do_swap_page",
        "the page is in swap, or on its way between nodes",
        &[Ending::Completed],
    );
    walk.may_end(
        "do_numa_page",
        "NUMA balancing had hidden the page to see who uses it",
        &[Ending::Completed],
    );
    walk.may_be_bad(
        "handle_pte_marker",
        "a guard region inside the mapping (MADV_GUARD_INSTALL, since 6.13): SEGV_MAPERR",
    );
}

fn failures(walk: &mut Walk<'_>) {
    let (user, kernel) = (
        walk.clues.may_be_mode(Mode::User),
        walk.clues.may_be_mode(Mode::Kernel),
    );
    let beyond = "beyond the end of the file, no block for it, or poisoned memory";
    if user {
        walk.may_end("do_sigbus", beyond, &[Ending::Sigbus]);
        walk.may_end(
            "fault_signal_pending",
            "a signal came while the fault waited",
            &[Ending::TriedAgain],
        );
        walk.may_end(
            "pagefault_out_of_memory",
            "no memory: the OOM killer runs",
            &[Ending::TriedAgain],
        );
    }
    if kernel {
        walk.may_end("do_sigbus", beyond, &[Ending::FixedUp, Ending::Oops]);
        walk.may_end(
            "fault_signal_pending",
            "a fatal signal came while the fault waited",
            &[Ending::FixedUp],
        );
    }
}
