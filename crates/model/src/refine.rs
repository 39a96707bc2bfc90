//! Refines a class by the mapping of the address: the classes marked V in docs/classes.md.
//!
//! Refining stays within the family, so that the kernel's totals stay true, with two exceptions: what
//! looked like `anon-alloc` is `cow-file` when the mapping is a private file's, and where the kernel
//! side could only guess, the mapping decides.
//!
//! An uncertain mapping never overrules what the eBPF programs proved, and makes nothing exact. Where
//! mapping and evidence contradict each other, the mapping is out of date (`mremap` and `munmap` leave
//! no record) and the evidence stands.

mod guess;

use fault_trace_common::{
    Class, Confidence, Evidence, Hook, Hooks, Verdict,
    error_code::Access,
    verdict::{exact, exact_if, inferred},
};

use super::{
    Fault,
    address_space::{Certainty, Found},
    mapping::Kind,
};

/// A transparent huge page of x86, bytes.
const HUGE_BYTES: u64 = 2 << 20;

/// What was so on the machine when a fault was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conditions {
    /// The hooks the run had.
    pub hooks: Hooks,
    /// Whether reading fresh memory can map the huge zero page, which leaves no trace of its own.
    pub huge_zero_page: bool,
    /// Whether there were NUMA hint faults at the time. One that moves no page leaves no trace.
    pub numa_hints: bool,
}

/// The class of a fault, given what was mapped at its address when it began; `None` leaves the class
/// as it is.
#[must_use]
#[inline]
pub fn refine(fault: &Fault, conditions: Conditions, lookup: Option<&Found<'_>>) -> Verdict {
    let told = Verdict {
        class: fault.class,
        confidence: fault.confidence,
    };
    let uncertain = lookup.is_some_and(|found| found.certainty == Certainty::Uncertain);
    if uncertain && told.confidence == Confidence::Exact {
        return told;
    }
    let refined = lookup.and_then(|found| {
        Case {
            fault,
            conditions,
            found,
        }
        .verdict()
    });
    match refined {
        Some(Verdict { class, .. }) if uncertain => inferred(class),
        Some(verdict) => verdict,
        None => told,
    }
}

/// What the pages of a mapping are to the fault handler.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Anonymous,
    File,
    SharedMemory,
    Hugetlb,
    /// A driver's or the kernel's own: nothing is known of its faults.
    Other,
}

struct Case<'a> {
    fault: &'a Fault,
    conditions: Conditions,
    found: &'a Found<'a>,
}

impl Case<'_> {
    /// `None` if the mapping tells nothing more.
    fn verdict(&self) -> Option<Verdict> {
        let class = self.fault.class;
        if self.found.grew {
            // Nothing was mapped at the address yet.
            let completed = matches!(class, Class::AnonAlloc | Class::AnonZero);
            return completed.then(|| exact(Class::StackGrowth));
        }
        match class {
            Class::AnonZero => self.anon_zero(),
            Class::AnonAlloc => self.anon_alloc(),
            Class::AnonHuge => match self.behind() {
                Behind::Hugetlb => self.hugetlb(),
                Behind::SharedMemory => self.unless(Evidence::RSS_ANY, inferred(Class::Shmem)),
                _ => None,
            },
            Class::FileCached | Class::FileRead | Class::FileWait => self.file(),
            Class::CowAnon => self.shared_file().then(|| exact(Class::WriteNotify)),
            Class::CowFile => self
                .private_copy()
                .filter(|copy| *copy == exact(Class::CowFile))
                .or_else(|| self.guess()),
            Class::SwapIn => self.guess(),
            Class::WriteReuse => self.write_reuse(),
            Class::SegvAccess => self
                .found
                .mapping
                .is_guard()
                .then(|| exact(Class::SegvGuard)),
            Class::SegvUnmapped => self.segv_unmapped(),
            _ => None,
        }
    }

    /// Not present, read, and no trace.
    fn anon_zero(&self) -> Option<Verdict> {
        match self.behind() {
            Behind::Anonymous => {
                let doubted = self.conditions.numa_hints || self.may_be_huge();
                let sure = self.nothing_missed() && !doubted;
                Some(exact_if(sure, Class::AnonZero))
            }
            Behind::Hugetlb => self.hugetlb(),
            Behind::File => Some(inferred(Class::FileCached)),
            Behind::SharedMemory => Some(inferred(Class::Shmem)),
            Behind::Other => None,
        }
    }

    /// Not present; anonymous pages became resident, or it was a write without a trace.
    fn anon_alloc(&self) -> Option<Verdict> {
        match self.behind() {
            Behind::Anonymous => self
                .any(Evidence::RSS_ANON)
                .then(|| exact(Class::AnonAlloc)),
            Behind::Hugetlb => self.hugetlb(),
            Behind::File => self
                .private_copy()
                .or_else(|| self.unless(Evidence::RSS_ANY, inferred(Class::FileCached))),
            Behind::SharedMemory => self
                .private_copy()
                .or_else(|| self.unless(Evidence::RSS_ANY, inferred(Class::Shmem))),
            Behind::Other => None,
        }
    }

    /// A file's page: found, read or waited for; proven only where the file counter moved.
    fn file(&self) -> Option<Verdict> {
        let through_cache = Evidence::CACHE_ADD | Evidence::FILEMAP_FAULT;
        let verdict = match self.behind() {
            Behind::Hugetlb => self.hugetlb(),
            // tmpfs has page-cache functions of its own (`shmem_fault`, mm/shmem.c).
            Behind::SharedMemory => Some(inferred(Class::Shmem)),
            // A major fault on it read from swap, which is another family.
            Behind::Anonymous if self.fault.class == Class::FileCached => {
                self.unless(Evidence::MAJOR, inferred(Class::AnonZero))
            }
            Behind::Anonymous | Behind::File | Behind::Other => None,
        };
        verdict.filter(|_| !self.any(Evidence::RSS_ANY | through_cache))
    }

    /// A first write to a private mapping of a file copies its page (`do_cow_fault`, mm/memory.c). The
    /// copy is not zeroed first.
    fn private_copy(&self) -> Option<Verdict> {
        let from_file = matches!(self.behind(), Behind::File | Behind::SharedMemory);
        let write = self.fault.access() == Access::Write;
        let copied = self.any(Evidence::RSS_ANON) && !self.any(Evidence::ALLOC_ZEROED);
        (from_file && write && !self.found.mapping.shared).then(|| exact_if(copied, Class::CowFile))
    }

    /// Present, write, nothing allocated.
    fn write_reuse(&self) -> Option<Verdict> {
        let shared = self.found.mapping.shared;
        match self.behind() {
            Behind::Other => None,
            // A huge page's copy comes from a pool, without a trace.
            Behind::Hugetlb if !shared => Some(inferred(Class::CowAnon)),
            Behind::Hugetlb => Some(inferred(Class::WriteNotify)),
            _ if shared => Some(exact(Class::WriteNotify)),
            _ => Some(exact_if(self.nothing_missed(), Class::WriteReuse)),
        }
    }

    /// The kernel said that nothing is mapped, and yet something is known there: a guard page
    /// (`MADV_GUARD_INSTALL` raises the same signal inside a mapping), or memory that was unmapped,
    /// which leaves no record. Only a later snapshot that still shows the mapping tells them apart.
    fn segv_unmapped(&self) -> Option<Verdict> {
        let mapping = self.found.mapping;
        if self.behind() == Behind::Other || !mapping.protection.allows(self.fault.access()) {
            return None;
        }
        Some(match self.found.certainty {
            Certainty::Confirmed => exact(Class::SegvGuard),
            Certainty::Reported | Certainty::Uncertain => inferred(Class::SegvUnmapped),
        })
    }

    /// Huge pages have counters of their own (`hugetlb_fault`, mm/hugetlb.c).
    fn hugetlb(&self) -> Option<Verdict> {
        self.unless(Evidence::RSS_ANY, exact(Class::Hugetlb))
    }

    /// A page that a shared mapping's fault allocated is the file system's, never a copy.
    fn shared_file(&self) -> bool {
        self.found.mapping.shared && matches!(self.behind(), Behind::File | Behind::SharedMemory)
    }

    fn behind(&self) -> Behind {
        match self.found.mapping.kind {
            Kind::Anonymous | Kind::Named(_) | Kind::Heap | Kind::Stack => Behind::Anonymous,
            Kind::File(_) => Behind::File,
            Kind::SharedMemory(_) => Behind::SharedMemory,
            Kind::Hugetlb(_) => Behind::Hugetlb,
            Kind::Device(_) | Kind::Special(_) => Behind::Other,
        }
    }

    fn any(&self, mask: u128) -> bool {
        self.fault.evidence.any(mask)
    }

    fn unless(&self, mask: u128, verdict: Verdict) -> Option<Verdict> {
        (!self.any(mask)).then_some(verdict)
    }

    /// Whether a transparent huge page has room around the address.
    fn may_be_huge(&self) -> bool {
        let start = self.fault.address & !(HUGE_BYTES - 1);
        let mapping = self.found.mapping;
        self.conditions.huge_zero_page
            && mapping.start <= start
            && start + HUGE_BYTES <= mapping.end
    }

    /// Whether an allocation or a moved counter would have been seen.
    fn nothing_missed(&self) -> bool {
        self.conditions.hooks.has(Hook::RssStat) && self.conditions.hooks.has(Hook::PageAlloc)
    }
}

#[cfg(test)]
mod tests;
