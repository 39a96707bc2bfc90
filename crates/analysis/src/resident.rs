//! How many pages a fault made resident, and how surely that is known.
//!
//! The kernel tells that a counter of resident memory moved, not by how much. What follows is what the
//! class, the allocations and the range of fault-around allow. Memory that get_user_pages populates
//! raises no exception and is in no fault.

use std::ops::AddAssign;

use fault_trace_common::{Confidence, ErrorCode, Evidence, Hook, class::Gain};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use fault_trace_model::{Fault, Field, Fields, Run, attribution::MappingKind, version::Version};

/// Base pages of a huge page.
const HUGE_PAGES: u64 = 512;

/// How a number of pages relates to the truth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    Exact,
    AtMost,
    AtLeast,
}

impl Bound {
    /// The name used in outputs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::AtMost => "at-most",
            Self::AtLeast => "at-least",
        }
    }
}

/// By how many base pages resident memory (RSS) grew: of a fault, or of many together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resident {
    pub at_least: u64,
    /// `None` without an upper bound.
    pub at_most: Option<u64>,
}

impl Default for Resident {
    fn default() -> Self {
        Self::exact(0)
    }
}

/// Which of the kernel's hooks a run had: without them less is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sources {
    /// The range of fault-around (`mm_filemap_map_pages`).
    pub map_pages: bool,
    /// Whether that range bounds what is mapped. Since 6.18 a large folio is mapped as a whole,
    /// however little of it is in the range (`filemap_map_pages`, mm/filemap.c).
    pub map_pages_bounds: bool,
    /// Allocated pages and their orders (`mm_page_alloc`).
    pub page_alloc: bool,
}

impl From<&Run> for Sources {
    fn from(run: &Run) -> Self {
        let hooks = run.hooks;
        let version = Version::parse(&run.host.kernel_release);
        Self {
            map_pages: hooks.has(Hook::MapPages),
            map_pages_bounds: hooks.has(Hook::MapPages)
                && version.is_some_and(|version| version < Version::WHOLE_FOLIOS),
            page_alloc: hooks.has(Hook::PageAlloc),
        }
    }
}

impl Resident {
    const fn exact(pages: u64) -> Self {
        Self::between(pages, pages)
    }

    const fn between(at_least: u64, at_most: u64) -> Self {
        Self {
            at_least,
            at_most: Some(at_most),
        }
    }

    const fn at_least(pages: u64) -> Self {
        Self {
            at_least: pages,
            at_most: None,
        }
    }

    /// The one number that is shown, with [`Resident::bound`].
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.at_most.unwrap_or(self.at_least)
    }

    /// What [`Resident::pages`] is.
    #[must_use]
    pub fn bound(&self) -> Bound {
        match self.at_most {
            None => Bound::AtLeast,
            Some(pages) if pages == self.at_least => Bound::Exact,
            Some(_) => Bound::AtMost,
        }
    }

    /// What [`Resident::of`] looks at, and what tells the mapping.
    pub const FIELDS: Fields = Fields::of(&[
        Field::Class,
        Field::Confidence,
        Field::Evidence,
        Field::ErrorCode,
        Field::Pages,
        Field::AroundPages,
        Field::Mapping,
    ]);

    /// What `fault` made resident. `kind` tells what it lies in, and is asked for seldom.
    #[must_use]
    pub fn of(fault: &Fault, sources: Sources, kind: impl FnOnce() -> Option<MappingKind>) -> Self {
        let pages = by_class(fault, sources, kind);
        let moved = Evidence::RSS_FILE | Evidence::RSS_ANON | Evidence::RSS_SHMEM;
        if fault.confidence == Confidence::Inferred && !fault.evidence.any(moved) {
            return Self {
                at_least: 0,
                ..pages
            };
        }
        pages
    }
}

/// By what the catalogue says of the class.
fn by_class(
    fault: &Fault,
    sources: Sources,
    kind: impl FnOnce() -> Option<MappingKind>,
) -> Resident {
    match fault.class.info().gain {
        Gain::Nothing => Resident::exact(0),
        Gain::Own => anonymous(fault, sources),
        Gain::Huge if fault.evidence.any(Evidence::ALLOC_HUGE) => Resident::exact(HUGE_PAGES),
        Gain::Huge if sources.page_alloc => Resident::exact(0),
        Gain::Huge => Resident::between(0, HUGE_PAGES),
        Gain::Cached => cached(fault, sources, kind),
        Gain::Shared => shmem(fault, sources),
        Gain::Copy => Resident::exact(u64::from(!fault.error_code.has(ErrorCode::PRESENT))),
        Gain::AtLeastOne => Resident::at_least(1),
        Gain::GivenUp if sources.map_pages_bounds => {
            Resident::between(0, fault.around_pages.into())
        }
        Gain::GivenUp | Gain::Uncounted => Resident::at_least(0),
    }
}

/// Memory that is the process's own: as large as what was allocated for it.
fn anonymous(fault: &Fault, sources: Sources) -> Resident {
    if !sources.page_alloc {
        return Resident::at_least(1);
    }
    if fault.evidence.any(Evidence::ALLOC_HUGE) {
        return Resident::between(1, HUGE_PAGES.max(fault.pages.into()));
    }
    if fault.evidence.any(Evidence::ALLOC_LARGE) {
        // One that was given back (over the memory limit) is among them.
        let pages = u64::from(fault.pages).max(1);
        let kept = !fault
            .evidence
            .any(Evidence::PAGE_FREED | Evidence::ALLOC_PAGE);
        return Resident::between(if kept { pages } else { 1 }, pages);
    }
    Resident::exact(1)
}

/// Fault-around maps what is in the cache around the address; where it does not reach the page
/// itself, `filemap_fault` does, and may map the whole folio. Neither has a part in `[vdso]`.
fn cached(fault: &Fault, sources: Sources, kind: impl FnOnce() -> Option<MappingKind>) -> Resident {
    let by_itself = fault.evidence.any(Evidence::FILEMAP_FAULT);
    if !sources.map_pages || by_itself {
        return Resident::at_least(1);
    }
    match fault.around_pages {
        0 if kind() == Some(MappingKind::Special) => Resident::exact(1),
        0 => Resident::at_least(1),
        _ if !sources.map_pages_bounds => Resident::at_least(1),
        around => Resident::between(1, around.into()),
    }
}

/// A new page is mapped alone; one that is in the cache with its folio or its neighbours.
fn shmem(fault: &Fault, sources: Sources) -> Resident {
    let large = Evidence::ALLOC_LARGE | Evidence::ALLOC_HUGE;
    let new = fault.evidence.any(Evidence::ALLOC_PAGE) && fault.pages == 1;
    if sources.page_alloc
        && sources.map_pages
        && new
        && fault.around_pages == 0
        && !fault.evidence.any(large)
    {
        Resident::exact(1)
    } else {
        Resident::at_least(1)
    }
}

impl AddAssign for Resident {
    fn add_assign(&mut self, other: Self) {
        self.at_least = self.at_least.saturating_add(other.at_least);
        self.at_most = self
            .at_most
            .zip(other.at_most)
            .map(|(one, more)| one.saturating_add(more));
    }
}

impl Serialize for Resident {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Resident", 4)?;
        object.serialize_field("pages", &self.pages())?;
        object.serialize_field("bound", self.bound().name())?;
        object.serialize_field("at_least", &self.at_least)?;
        object.serialize_field("at_most", &self.at_most)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use fault_trace_common::Class;

    use super::*;

    const ALL: Sources = Sources {
        map_pages: true,
        map_pages_bounds: true,
        page_alloc: true,
    };

    fn fault(class: Class, flags: u128, pages: u32, around_pages: u32) -> Fault {
        Fault {
            class,
            confidence: Confidence::Exact,
            evidence: Evidence::of(flags),
            pages,
            around_pages,
            ..Fault::BLANK
        }
    }

    fn shown(fault: &Fault, sources: Sources) -> (u64, Bound) {
        let resident = Resident::of(fault, sources, || None);
        (resident.pages(), resident.bound())
    }

    #[test]
    fn each_kind_of_fault_grows_resident_memory_by_what_its_evidence_proves() {
        use Bound::{AtLeast, AtMost, Exact};
        const PAGE: u128 = Evidence::ALLOC_PAGE;
        const LARGE: u128 = Evidence::ALLOC_LARGE;
        const HUGE: u128 = Evidence::ALLOC_HUGE;
        for (class, flags, pages, around, expected) in [
            (Class::AnonAlloc, PAGE, 1, 0, (1, Exact)),
            (Class::AnonAlloc, LARGE, 16, 0, (16, Exact)),
            (Class::AnonAlloc, LARGE | PAGE, 17, 0, (17, AtMost)),
            (Class::AnonZero, 0, 0, 0, (0, Exact)),
            (Class::AnonHuge, HUGE, 512, 0, (512, Exact)),
            (Class::AnonHuge, 0, 0, 0, (0, Exact)),
            (Class::Hugetlb, HUGE, 512, 0, (0, Exact)),
            (Class::FileCached, 0, 0, 16, (16, AtMost)),
            (Class::FileCached, 0, 0, 1, (1, Exact)),
            (
                Class::FileCached,
                Evidence::FILEMAP_FAULT,
                0,
                16,
                (1, AtLeast),
            ),
            (Class::FileCached, 0, 0, 0, (1, AtLeast)),
            (Class::FileRead, Evidence::CACHE_ADD, 32, 16, (1, AtLeast)),
            (Class::Shmem, PAGE, 1, 0, (1, Exact)),
            (Class::Shmem, 0, 0, 16, (1, AtLeast)),
            (Class::CowAnon, PAGE, 1, 0, (0, Exact)),
            (Class::CowZero, PAGE, 1, 0, (1, Exact)),
            (Class::CowFile, PAGE, 1, 0, (1, Exact)),
            (Class::WriteReuse, 0, 0, 0, (0, Exact)),
            (Class::SwapIn, PAGE, 8, 0, (1, AtLeast)),
            (Class::NumaHint, 0, 0, 0, (0, Exact)),
            (Class::SegvUnmapped, 0, 0, 0, (0, Exact)),
            (Class::Interrupted, 0, 0, 16, (16, AtMost)),
            (Class::Unknown, 0, 0, 0, (0, AtLeast)),
        ] {
            let fault = fault(class, flags, pages, around);
            assert_eq!(shown(&fault, ALL), expected, "{fault:?}");
        }
    }

    #[test]
    fn the_kernels_own_mappings_have_single_pages() {
        let fault = fault(Class::FileCached, Evidence::RSS_FILE, 0, 0);
        let of = |kind| Resident::of(&fault, ALL, || kind);
        assert_eq!(of(Some(MappingKind::Special)), Resident::exact(1));
        assert_eq!(of(Some(MappingKind::File)), Resident::at_least(1));
    }

    #[test]
    fn a_copy_of_a_page_that_was_there_adds_nothing() {
        let mut fault = fault(Class::CowFile, Evidence::ALLOC_PAGE, 1, 0);
        fault.error_code = ErrorCode(ErrorCode::PRESENT | ErrorCode::WRITE);
        assert_eq!(shown(&fault, ALL), (0, Bound::Exact));
    }

    #[test]
    fn without_the_hooks_less_is_known() {
        let none = Sources {
            map_pages: false,
            map_pages_bounds: false,
            page_alloc: false,
        };
        for class in [Class::AnonAlloc, Class::FileCached, Class::Shmem] {
            let shown = shown(&fault(class, Evidence::ALLOC_PAGE, 1, 16), none);
            assert_eq!(shown, (1, Bound::AtLeast), "{class:?}");
        }
    }

    #[test]
    fn where_whole_folios_are_mapped_the_range_is_no_bound() {
        let since_6_18 = Sources {
            map_pages_bounds: false,
            ..ALL
        };
        let cached = fault(Class::FileCached, 0, 0, 16);
        assert_eq!(shown(&cached, since_6_18), (1, Bound::AtLeast));
    }

    #[test]
    fn a_guessed_class_proves_no_growth_unless_a_counter_moved() {
        let mut guessed = fault(Class::AnonAlloc, Evidence::ALLOC_PAGE, 1, 0);
        guessed.confidence = Confidence::Inferred;
        assert_eq!(
            Resident::of(&guessed, ALL, || None),
            Resident::between(0, 1)
        );
        guessed.evidence.set(Evidence::RSS_ANON);
        assert_eq!(Resident::of(&guessed, ALL, || None), Resident::exact(1));
    }

    #[test]
    fn sums_are_as_sure_as_their_least_sure_part() {
        let mut sum = Resident::default();
        sum += Resident::exact(3);
        assert_eq!((sum.pages(), sum.bound()), (3, Bound::Exact));
        sum += Resident::between(1, 16);
        assert_eq!((sum.pages(), sum.bound()), (19, Bound::AtMost));
        sum += Resident::at_least(1);
        assert_eq!((sum.pages(), sum.bound()), (5, Bound::AtLeast));
    }
}
