//! Pages that the kernel merged, and their copies.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::MmapAdvise;

use crate::{
    expect::Faults,
    memory::{PAGE, Pages},
    restore::Restore,
    scenario::{Run, Scenario, require},
};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "cow-anon-ksm",
    class: Some(Class::CowAnon),
    about: "writes to pages that KSM merged",
    needs: "root, CONFIG_KSM, KSM not in use, Linux 6.1 for ksm_stat",
    count: 64,
    run: merged,
}];

const SETTINGS: &str = "/sys/kernel/mm/ksm";
/// How long ksmd may take to merge a handful of pages.
const PATIENCE: Duration = Duration::from_secs(20);

/// `wp_can_reuse_anon_folio` never reuses a KSM page, so `wp_page_copy` copies each; KSM pages count
/// as anonymous, so no counter moves.
fn merged(run: &mut Run) -> anyhow::Result<()> {
    let setting = |name| Path::new(SETTINGS).join(name);
    require(setting("run").exists(), "this kernel has no KSM")?;
    require(
        fs::read_to_string(setting("run"))?.trim() == "0",
        "KSM is in use, and would be disturbed",
    )?;
    let pages = Pages::anonymous(run.count)?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages);
    run.provoke([alloc], || pages.write_each())?;
    fill_alike(pages);
    pages.advise(MmapAdvise::MADV_MERGEABLE)?;
    {
        let _sleep = Restore::setting(setting("sleep_millisecs"), "1")?;
        let _batch = Restore::setting(setting("pages_to_scan"), "10000")?;
        let _run = Restore::setting(setting("run"), "1")?;
        wait_until_merged(run.count)?;
    }
    let copies = Faults::new(Class::CowAnon, Access::Write, pages).step(1);
    run.provoke([copies], || pages.write_each())
}

/// Gives every page the same content, which no other process is likely to have.
fn fill_alike(pages: Pages) {
    for address in pages.addresses() {
        let words = std::ptr::with_exposed_provenance_mut::<usize>(address);
        for index in 0..PAGE / size_of::<usize>() {
            // SAFETY: within a page of the mapping, which nothing refers to.
            unsafe { words.add(index).write_volatile(pages.start ^ index) };
        }
    }
}

/// Waits until all of them are merged. Whatever else is in the process is not mergeable.
fn wait_until_merged(count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let merged = fs::read_to_string("/proc/self/ksm_merging_pages");
        let merged = merged.context("ksm_merging_pages")?;
        if merged.trim().parse::<usize>()? == count {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    crate::scenario::skip("ksmd did not merge the pages in time")
}
