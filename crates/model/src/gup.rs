//! Faults without an exception by what they did.

use serde::Serialize;

use super::totals::Counts;

/// The faults without an exception of a run or a process, by what they did. Inferred from the pages that moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct GupBy {
    /// Put zeroed pages into private mappings.
    pub zeroed: u64,
    /// Copied a page for a private mapping.
    pub copied: u64,
    /// Mapped pages of files.
    pub file: u64,
    /// Mapped shared memory.
    pub shared: u64,
    /// Mapped what was there, or nothing tells.
    pub other: u64,
    /// Of all, counted by the kernel as major.
    pub major: u64,
    /// Base pages of new memory that `zeroed` took.
    pub zeroed_pages: u64,
    /// Base pages of new memory that `shared` took.
    pub shared_pages: u64,
}

impl GupBy {
    /// Those among `counts`.
    #[must_use]
    pub const fn of(counts: &Counts) -> Self {
        let told = counts
            .gup_zeroed
            .saturating_add(counts.gup_copied)
            .saturating_add(counts.gup_file)
            .saturating_add(counts.gup_shared);
        Self {
            zeroed: counts.gup_zeroed,
            copied: counts.gup_copied,
            file: counts.gup_file,
            shared: counts.gup_shared,
            other: counts.gup.saturating_sub(told),
            major: counts.gup_major,
            zeroed_pages: counts.gup_zeroed_pages,
            shared_pages: counts.gup_shared_pages,
        }
    }
}
