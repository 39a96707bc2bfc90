//! Corrections by the mapping where the eBPF programs had to guess: without `rss_stat` (before Linux 6.6) a
//! page that was allocated and not zeroed is taken for a file's copy, or for one that was swapped out.

use fault_trace_common::{Class, Evidence, Hook, Verdict, verdict::inferred};

use super::{Behind, Case};

impl Case<'_> {
    /// The only pages of that kind which the mapping allows, of whatever family.
    pub(super) fn guess(&self) -> Option<Verdict> {
        if self.conditions.hooks.has(Hook::RssStat) || self.any(Evidence::RSS_ANY) {
            return None;
        }
        let copied = self.fault.class == Class::CowFile && !self.found.mapping.shared;
        match self.behind() {
            Behind::Anonymous => Some(inferred(Class::SwapIn)),
            // The guess was right.
            Behind::File | Behind::SharedMemory if copied => None,
            Behind::SharedMemory => Some(inferred(Class::Shmem)),
            Behind::File => Some(inferred(Class::FileRead)),
            Behind::Hugetlb | Behind::Other => None,
        }
    }
}
