//! Huge pages: transparent ones and those of hugetlbfs.

use std::fs;

use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::{MapFlags, MmapAdvise};

use crate::{
    expect::Faults,
    memory::{HUGE_PAGE, PAGE, Pages, READ_WRITE},
    restore::Restore,
    scenario::{Run, Scenario, require, skip},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "anon-huge",
        class: Some(Class::AnonHuge),
        about: "writes to fresh transparent huge pages",
        needs: "transparent huge pages not `never`",
        count: 4,
        run: anon_huge,
    },
    Scenario {
        name: "anon-huge-zero",
        class: Some(Class::AnonHuge),
        about: "reads fresh transparent huge pages, then writes to them",
        needs: "transparent huge pages not `never`, use_zero_page",
        count: 4,
        run: anon_huge_zero,
    },
    Scenario {
        name: "hugetlb",
        class: Some(Class::Hugetlb),
        about: "writes to fresh hugetlb pages",
        needs: "root, for nr_hugepages",
        count: 4,
        run: hugetlb,
    },
];

const SETTINGS: &str = "/sys/kernel/mm/transparent_hugepage";
const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

/// Fresh memory that asks for transparent huge pages.
pub(crate) fn transparent(count: usize) -> anyhow::Result<Pages> {
    let enabled = fs::read_to_string(format!("{SETTINGS}/enabled")).unwrap_or_default();
    require(
        enabled.contains("[madvise]") || enabled.contains("[always]"),
        "transparent huge pages are switched off",
    )?;
    let pages = Pages::huge(count)?;
    pages.advise(MmapAdvise::MADV_HUGEPAGE)?;
    Ok(pages)
}

/// An error that skips, unless the memory is made of huge pages.
pub(crate) fn require_huge(pages: Pages) -> anyhow::Result<()> {
    let expected = pages.bytes() / 1024;
    let wanted = format!("{:x}-", pages.start);
    let smaps = fs::read_to_string("/proc/self/smaps")?;
    let found = smaps
        .lines()
        .skip_while(|line| !line.starts_with(&wanted))
        .find_map(|line| line.strip_prefix("AnonHugePages:"))
        .and_then(|text| text.trim().trim_end_matches(" kB").parse::<usize>().ok());
    require(
        found == Some(expected),
        "the kernel had too few free huge pages",
    )
}

/// `do_huge_pmd_anonymous_page` allocates a folio of order 9 for a write: one fault for 2 MiB.
fn anon_huge(run: &mut Run) -> anyhow::Result<()> {
    let pages = transparent(run.count)?;
    let expected = Faults::new(Class::AnonHuge, Access::Write, pages);
    run.provoke([expected], || pages.write_each())?;
    require_huge(pages)
}

/// `do_huge_pmd_anonymous_page` maps the huge zero page for a read; it is allocated once for the
/// whole machine, so a tracer may see nothing huge. `do_huge_zero_wp_pmd` (6.12) puts a huge page
/// in its place on the first write; older kernels split it and copy a small page.
fn anon_huge_zero(run: &mut Run) -> anyhow::Result<()> {
    let setting = fs::read_to_string(format!("{SETTINGS}/use_zero_page")).unwrap_or_default();
    require(setting.trim() == "1", "the huge zero page is switched off")?;
    let pages = transparent(run.count)?;
    let read = Faults::new(Class::AnonHuge, Access::Read, pages).or(Class::AnonZero);
    run.provoke([read], || pages.read_each())?;
    let write = Faults::new(Class::CowZero, Access::Write, pages).step(1);
    run.provoke([write], || pages.write_each())
}

/// `hugetlb_fault` takes a page from the pool, and moves neither resident counter nor allocates.
fn hugetlb(run: &mut Run) -> anyhow::Result<()> {
    let Ok(size) = fs::read_to_string(POOL) else {
        return skip("this kernel has no 2 MiB hugetlb pages");
    };
    let wanted = size.trim().parse::<usize>()? + run.count;
    let _pool = Restore::setting(POOL, &wanted.to_string())?;
    let reserved = fs::read_to_string(POOL)?.trim().parse::<usize>()?;
    require(reserved == wanted, "there are too few free huge pages")?;
    let pages = Pages::map_anonymous(
        run.count * (HUGE_PAGE / PAGE),
        READ_WRITE,
        MapFlags::MAP_PRIVATE | MapFlags::MAP_HUGETLB,
    )?
    .every(HUGE_PAGE);
    let expected = Faults::new(Class::Hugetlb, Access::Write, pages);
    run.provoke([expected], || pages.write_each())
}
