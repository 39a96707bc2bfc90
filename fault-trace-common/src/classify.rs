//! From evidence to class: pure, and the same in the kernel and in user space.

use crate::{
    class::Class,
    error_code::ErrorCode,
    evidence::{Closer, Evidence},
    hooks::{Hook, Hooks},
    region::Region,
    verdict::{Verdict, exact, exact_if, inferred},
};

/// What is known of a closed fault without its mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    pub evidence: Evidence,
    pub error_code: ErrorCode,
    /// The hooks the run had: evidence that could not come proves nothing by its absence.
    pub hooks: Hooks,
}

const SIGBUS: u8 = 7;
const SIGKILL: u8 = 9;
const SIGSEGV: u8 = 11;
const SEGV_MAPERR: i8 = 1;
const SEGV_ACCERR: i8 = 2;
const SEGV_PKUERR: i8 = 4;
const BUS_ADRERR: i8 = 2;
const BUS_MCEERR_AR: i8 = 4;
const BUS_MCEERR_AO: i8 = 5;

/// The class of a closed fault. What only the mapping can tell is refined by user space, within the
/// same family.
#[inline(always)]
#[must_use]
pub fn classify(facts: &Facts) -> Verdict {
    let evidence = facts.evidence;
    if !evidence.any(Evidence::ENDED) {
        return if evidence.signal() != 0 && evidence.closer_number() == Closer::Signal as u8 {
            bad_area(facts)
        } else if evidence.any(Evidence::KERNEL_MODE) {
            kernel_without_end(facts)
        } else {
            user_without_end(facts)
        };
    }
    let file = Evidence::RSS_FILE | Evidence::FILEMAP_FAULT | Evidence::CACHE_ADD;
    if evidence.any(Evidence::SLEPT_S) && !evidence.any(file) {
        // handle_userfault() sleeps interruptibly, and never for a file; some file systems do, too
        // (request_wait_answer() in fs/fuse/dev.c).
        return exact_if(facts.hooks.has(Hook::RssStat), Class::Uffd);
    }
    if evidence.any(Evidence::RSS_SWAP) && !facts.error_code.has(ErrorCode::PRESENT) {
        // do_swap_page() does not ask for zeroed pages: reclaim not seen as such moved the counter.
        return exact_if(!evidence.any(Evidence::ALLOC_ZEROED), Class::SwapIn);
    }
    if evidence.any(Evidence::MIGRATED) && !evidence.any(Evidence::RSS_ANY) {
        return exact(Class::NumaHint);
    }
    if evidence.any(Evidence::PAGE_FREED) && !evidence.any(Evidence::RSS_ANY) {
        return exact_if(facts.hooks.has(Hook::RssStat), Class::Spurious);
    }
    if facts.error_code.has(ErrorCode::PRESENT) {
        present(facts)
    } else if facts.hooks.has(Hook::RssStat) {
        not_present(facts)
    } else {
        not_present_without_rss(facts)
    }
}

/// The kernel raised a signal for the fault (`bad_area`, `do_sigbus` in arch/x86/mm/fault.c).
#[inline(always)]
const fn bad_area(facts: &Facts) -> Verdict {
    let (evidence, code) = (facts.evidence, facts.error_code);
    match (evidence.signal(), evidence.si_code()) {
        // Bits that name the cause come before the signal's code, which is SEGV_ACCERR for them.
        (SIGSEGV, _) if code.has(ErrorCode::SGX) => exact(Class::Sgx),
        (SIGSEGV, SEGV_PKUERR) => exact(Class::SegvPkey),
        (SIGSEGV, _) if !evidence.in_region(Region::User) => exact(Class::SegvKernelAddress),
        (SIGSEGV, _) if code.has(ErrorCode::SHADOW_STACK) => exact(Class::ShadowStack),
        (SIGSEGV, _) if code.has(ErrorCode::PROTECTION_KEY) => exact(Class::SegvPkey),
        (SIGSEGV, SEGV_MAPERR) => exact(Class::SegvUnmapped),
        (SIGSEGV, SEGV_ACCERR) => exact(Class::SegvAccess),
        (SIGBUS, BUS_MCEERR_AR | BUS_MCEERR_AO) => exact(Class::Hwpoison),
        (SIGBUS, BUS_ADRERR) => exact(Class::Sigbus),
        (SIGBUS, _) => inferred(Class::Sigbus),
        _ => inferred(Class::Unknown),
    }
}

/// Kernel mode and neither END nor signal: the exception table fixed it up, or the kernel synchronised
/// its own page tables.
#[inline(always)]
const fn kernel_without_end(facts: &Facts) -> Verdict {
    let (evidence, code) = (facts.evidence, facts.error_code);
    if evidence.closer_number() == Closer::Overflow as u8 {
        return inferred(Class::Unknown);
    }
    if evidence.in_region(Region::User) {
        if !evidence.any(Evidence::CONFIRMED) {
            // An oops also leaves a thread that exits.
            let went_on = evidence.closer_number() != Closer::Exit as u8;
            return exact_if(went_on, Class::NofaultProbe);
        }
        // A fatal signal ends a sleeping fault, and its system call with EFAULT, too.
        let slept = evidence.any(Evidence::SLEPT_D | Evidence::SLEPT_S);
        if evidence.any(Evidence::OOM_VICTIM) {
            return inferred(Class::Oom);
        }
        // In kernel mode only a fatal signal does that (fault_signal_pending()).
        let killed = evidence.closer_number() == Closer::SignalDelivery as u8
            && evidence.signal() == SIGKILL;
        if slept && killed {
            return inferred(Class::Interrupted);
        }
        // The next start may lie on a killed thread's way out, too (mm_release() writes to user space).
        return exact_if(
            !slept && evidence.closer_number() == Closer::NextStart as u8,
            Class::KernelEfault,
        );
    }
    if evidence.in_region(Region::Vmalloc)
        && !code.has(ErrorCode::PRESENT)
        && !code.has(ErrorCode::RESERVED)
    {
        // What vmalloc_fault() would synchronise. 64-bit kernels since 5.8 never need to: there it is
        // a probe of a hole, which was fixed up.
        return exact(Class::Vmalloc);
    }
    // spurious_kernel_fault() accepts just these two codes.
    let bits = code.0;
    if bits == ErrorCode::WRITE | ErrorCode::PRESENT
        || bits == ErrorCode::INSTRUCTION | ErrorCode::PRESENT
    {
        return inferred(Class::SpuriousKernel);
    }
    exact_if(
        evidence.closer_number() != Closer::Exit as u8,
        Class::NofaultProbe,
    )
}

/// User mode and neither END nor a signal for the address: the attempt was given up.
#[inline(always)]
const fn user_without_end(facts: &Facts) -> Verdict {
    let evidence = facts.evidence;
    if evidence.closer_number() == Closer::Overflow as u8 {
        return inferred(Class::Unknown);
    }
    if evidence.closer_number() == Closer::Vsyscall as u8 {
        return exact(Class::Vsyscall);
    }
    if evidence.any(Evidence::OOM_VICTIM) {
        return exact(Class::Oom);
    }
    if evidence.closer_number() == Closer::SignalDelivery as u8
        || evidence.closer_number() == Closer::Exit as u8
    {
        return exact(Class::Interrupted);
    }
    if evidence.closer_number() == Closer::NextStart as u8 && evidence.any(Evidence::TRIED_AGAIN) {
        // pagefault_out_of_memory() returns to user mode for another try. So does a wait that task
        // work cut short (TIF_NOTIFY_SIGNAL, io_uring), or a signal whose delivery was not hooked.
        let slept = evidence.any(Evidence::SLEPT_D | Evidence::SLEPT_S);
        return inferred(if slept || !facts.hooks.has(Hook::SignalDeliver) {
            Class::Interrupted
        } else {
            Class::Oom
        });
    }
    inferred(Class::Unknown)
}

/// A protection fault that was completed.
#[inline(always)]
const fn present(facts: &Facts) -> Verdict {
    let evidence = facts.evidence;
    let code = facts.error_code;
    if !code.has(ErrorCode::WRITE) && !code.has(ErrorCode::SHADOW_STACK) {
        // access_error() refuses all other accesses that a present page forbade. Every shadow-stack
        // access, a read as well, is handled as a write.
        return inferred(Class::Unknown);
    }
    let sure = facts.hooks.has(Hook::RssStat) && facts.hooks.has(Hook::PageAlloc);
    if evidence.any(Evidence::RSS_FILE | Evidence::RSS_SHMEM) {
        return exact_if(evidence.any(Evidence::RSS_ANON), Class::CowFile);
    }
    if evidence.any(Evidence::RSS_ANON) {
        return exact_if(evidence.any(Evidence::ALLOC_ANY), Class::CowZero);
    }
    if evidence.any(Evidence::CACHE_ADD | Evidence::BIO_QUEUED) {
        // Copying needs no I/O: page_mkwrite() read metadata to make room for a shared file's page.
        return inferred(Class::WriteNotify);
    }
    if evidence.any(Evidence::ALLOC_ZEROED) && !facts.hooks.has(Hook::RssStat) {
        // wp_page_copy() asks for a zeroed page where the zero page was mapped.
        return inferred(Class::CowZero);
    }
    if evidence.any(Evidence::ALLOC_ANY) {
        return exact_if(sure && facts.hooks.has(Hook::PageFree), Class::CowAnon);
    }
    // Private: reuse; shared: write-notify. The mapping tells.
    inferred(Class::WriteReuse)
}

/// A fault on a page that was not present, with resident counters to go by.
#[inline(always)]
const fn not_present(facts: &Facts) -> Verdict {
    let evidence = facts.evidence;
    if evidence.any(Evidence::RSS_SHMEM) {
        return exact_if(!evidence.any(Evidence::RSS_ANON), Class::Shmem);
    }
    if evidence.any(Evidence::RSS_FILE) {
        return if evidence.any(Evidence::RSS_ANON) {
            // do_cow_fault() moves MM_ANONPAGES alone; something else moved, too.
            inferred(Class::CowFile)
        } else {
            file(facts)
        };
    }
    if evidence.any(Evidence::RSS_ANON) {
        return anonymous(facts);
    }
    if evidence.any(Evidence::CACHE_ADD | Evidence::BIO_QUEUED | Evidence::FILEMAP_FAULT) {
        // The page went into the cache, but another thread mapped it.
        let Verdict { class, .. } = file(facts);
        return inferred(class);
    }
    if evidence.any(Evidence::SLEPT_D) {
        return inferred(Class::MigrationWait);
    }
    no_trace(facts)
}

/// `MM_ANONPAGES` moved, the page was not present.
#[inline(always)]
const fn anonymous(facts: &Facts) -> Verdict {
    let evidence = facts.evidence;
    if evidence.any(Evidence::ALLOC_HUGE) {
        return exact(Class::AnonHuge);
    }
    // do_anonymous_page() asks for a zeroed page, do_cow_fault() does not.
    let unzeroed = evidence.any(Evidence::ALLOC_PAGE) && !evidence.any(Evidence::ALLOC_ZEROED);
    if unzeroed && facts.error_code.has(ErrorCode::WRITE) {
        return exact_if(evidence.any(Evidence::FILEMAP_FAULT), Class::CowFile);
    }
    exact_if(evidence.any(Evidence::ALLOC_ANY), Class::AnonAlloc)
}

/// A file page: read from the device, waited for, or found in the cache.
#[inline(always)]
const fn file(facts: &Facts) -> Verdict {
    let (evidence, hooks) = (facts.evidence, facts.hooks);
    let slept = evidence.any(Evidence::SLEPT_D | Evidence::SLEPT_S);
    if evidence.any(Evidence::CACHE_ADD | Evidence::BIO_QUEUED) {
        // Without a sleep it may have been the read-ahead of other pages (do_async_mmap_readahead()).
        return exact_if(slept, Class::FileRead);
    }
    if slept {
        return exact_if(hooks.has(Hook::BioQueue), Class::FileWait);
    }
    if hooks.has(Hook::CacheAdd) && hooks.has(Hook::SchedSwitch) {
        return exact(Class::FileCached);
    }
    inferred(if evidence.any(Evidence::MAJOR) {
        Class::FileRead
    } else {
        Class::FileCached
    })
}

/// Completed without any trace: the zero page, a hugetlb page, or a race that was lost early. The
/// mapping tells more.
#[inline(always)]
const fn no_trace(facts: &Facts) -> Verdict {
    if facts.evidence.any(Evidence::ALLOC_HUGE) {
        inferred(Class::AnonHuge)
    } else if facts.error_code.has(ErrorCode::WRITE) || facts.evidence.any(Evidence::ALLOC_ANY) {
        inferred(Class::AnonAlloc)
    } else {
        inferred(Class::AnonZero)
    }
}

/// As [`not_present`], where `rss_stat` does not tell (before 6.6): everything is inferred.
#[inline(always)]
const fn not_present_without_rss(facts: &Facts) -> Verdict {
    let evidence = facts.evidence;
    let write = facts.error_code.has(ErrorCode::WRITE);
    if evidence.any(Evidence::ALLOC_HUGE) {
        return inferred(Class::AnonHuge);
    }
    if evidence.any(Evidence::ALLOC_ZEROED) {
        return inferred(Class::AnonAlloc);
    }
    if evidence.any(Evidence::CACHE_ADD | Evidence::FILEMAP_FAULT) {
        let Verdict { class, .. } = file(facts);
        return inferred(if write && evidence.any(Evidence::ALLOC_PAGE) {
            Class::CowFile
        } else {
            class
        });
    }
    if evidence.any(Evidence::BIO_QUEUED) {
        return inferred(Class::SwapIn);
    }
    if evidence.any(Evidence::ALLOC_PAGE) {
        return inferred(if write { Class::CowFile } else { Class::SwapIn });
    }
    if evidence.any(Evidence::MAJOR | Evidence::SLEPT_D) {
        let Verdict { class, .. } = file(facts);
        return inferred(class);
    }
    inferred(if write {
        Class::AnonAlloc
    } else {
        Class::FileCached
    })
}
