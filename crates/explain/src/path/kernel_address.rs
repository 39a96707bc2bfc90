//! `do_kern_addr_fault`: the address lies in the kernel's half.

use fault_trace_common::{ErrorCode, Region, Regions};

use super::{Ending, Walk};
use crate::clues::{Mode, Outcome};

pub(super) fn follow(walk: &mut Walk<'_>) {
    let clues = walk.clues;
    let bits = clues.bits;
    if clues.address.is_none()
        && clues.outcome == Some(Outcome::Segfault)
        && bits.get(ErrorCode::PRESENT) == Some(false)
    {
        // sanitize_error_code() would have set P.
        return;
    }
    walk.goes_on(
        "handle_page_fault",
        if clues.address.is_some() {
            "the address is a kernel one: do_kern_addr_fault"
        } else {
            "if the address is a kernel one: do_kern_addr_fault"
        },
    );
    if clues.may_be_mode(Mode::Kernel) {
        from_kernel_mode(walk);
    }
    if clues.may_be_mode(Mode::User) {
        from_user_mode(walk);
    }
}

fn from_kernel_mode(walk: &mut Walk<'_>) {
    let bits = walk.clues.bits;
    let region = walk
        .clues
        .address
        .map(|address| Regions::DEFAULT.of(address));
    if region == Some(Region::Vmalloc)
        && bits.may_not(ErrorCode::PRESENT)
        && bits.may_not(ErrorCode::RESERVED)
    {
        walk.may_end(
            "vmalloc_fault",
            "only on 32-bit kernels and before 5.8: a missing vmalloc entry is copied from init_mm",
            &[Ending::Completed],
        );
    }
    if bits.may_be(ErrorCode::WRITE | ErrorCode::PRESENT)
        || bits.may_be(ErrorCode::INSTRUCTION | ErrorCode::PRESENT)
    {
        walk.may_end(
            "spurious_kernel_fault",
            "the page table allows it and a stale TLB entry did not (read-only made writable, or \
             NX made executable)",
            &[Ending::Completed],
        );
    } else {
        walk.goes_on(
            "spurious_kernel_fault",
            "not spurious: only the codes P+W and P+I can be",
        );
    }
    walk.goes_on(
        "kprobe_page_fault",
        "not a kprobe's, unless one is single-stepping this instruction",
    );
    walk.may_end(
        "fixup_exception",
        "the instruction is in the exception table: a probe of kernel memory gets an error",
        &[Ending::FixedUp],
    );
    walk.may_end(
        "page_fault_oops",
        if bits.may_not(ErrorCode::PRESENT) {
            "no entry in the exception table: a kernel bug (a stack guard page tells a stack \
             overflow; KFENCE reports its guard pages and lets the access go on)"
        } else {
            "no entry in the exception table: a kernel bug"
        },
        &[Ending::Oops],
    );
}

fn from_user_mode(walk: &mut Walk<'_>) {
    let bits = walk.clues.bits;
    walk.goes_on(
        "spurious_kernel_fault",
        "not spurious: accesses from user mode never are",
    );
    if bits.may_not(ErrorCode::USER) {
        walk.may_end(
            "page_fault_oops",
            "the CPU's own access on behalf of user code (GDT, IDT, LDT or TSS)",
            &[Ending::Oops],
        );
    }
    if bits.may(ErrorCode::USER) {
        walk.may_end(
            "bad_area_nosemaphore",
            "user mode may not touch kernel memory, whatever is there: SEGV_MAPERR; the reported \
             code has P set, to give nothing away (sanitize_error_code)",
            &[Ending::Segv],
        );
    }
}
