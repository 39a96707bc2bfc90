//! Pages that come back from swap.

use std::{thread, time::Duration};

use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::MapFlags;

use crate::{
    expect::Faults,
    memory::{Pages, READ_WRITE},
    process::pin_to_one_cpu,
    scenario::{Run, Scenario, skip},
    swap_device::{Swap, cached, drain_lru_batches, page_out, page_out_shared, page_out_to_device},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "swap-in-file",
        class: Some(Class::SwapIn),
        about: "reads pages from the swap cache, then from a swap file",
        needs: "root, --dir on a disk",
        count: 64,
        run: from_file,
    },
    Scenario {
        name: "swap-in-zram",
        class: Some(Class::SwapIn),
        about: "writes to pages that were swapped to zram",
        needs: "root, zram",
        count: 64,
        run: from_zram,
    },
    Scenario {
        name: "swap-in-zero",
        class: Some(Class::SwapIn),
        about: "reads zero-filled pages that were swapped out without I/O",
        needs: "root, zram, Linux 6.12",
        count: 64,
        run: zero_filled,
    },
    Scenario {
        name: "shmem-swap",
        class: Some(Class::Shmem),
        about: "reads shared memory that was swapped to zram",
        needs: "root, zram",
        count: 64,
        run: shared,
    },
];

/// Pages in the LRU list of the CPU that swaps them out: another CPU's are passed over.
fn written(run: &mut Run) -> anyhow::Result<Pages> {
    pin_to_one_cpu()?;
    let pages = Pages::anonymous(run.count)?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages);
    run.provoke([alloc], || pages.write_each())?;
    Ok(pages)
}

/// Touches each page: what is in the swap cache is a minor fault, the rest a major one. Returns how
/// many were in the cache.
fn swap_in(run: &mut Run, pages: Pages, access: Access, step: u32) -> anyhow::Result<usize> {
    let cached = cached(pages)?;
    let faults = |count| {
        Faults::new(Class::SwapIn, access, pages)
            .count(count)
            .step(step)
    };
    let expected = [
        faults(cached).variant("cache"),
        faults(pages.count() - cached).variant("device").major(true),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .filter(|faults| faults.count > 0)
        .collect();
    run.provoke(expected, || match access {
        Access::Write => pages.write_each(),
        _ => pages.read_each(),
    })?;
    Ok(cached)
}

/// `do_swap_page` finds a page that was just written in the swap cache. A read leaves the slot taken,
/// so next time the clean page is dropped without I/O, and must be read back. A page that is still
/// being written, or waits in some CPU's batch, stays in the cache for another round.
fn from_file(run: &mut Run) -> anyhow::Result<()> {
    const ROUNDS: u32 = 50;
    let _swap = Swap::on_file(&run.dir)?;
    let pages = written(run)?;
    for round in 1..=ROUNDS {
        page_out(pages)?;
        if swap_in(run, pages, Access::Read, round)? == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
        drain_lru_batches(pages);
    }
    skip("the pages do not leave the swap cache")
}

/// zram ends I/O at once (SWP_SYNCHRONOUS_IO): pages leave the swap cache with the write, and come
/// back around it.
fn from_zram(run: &mut Run) -> anyhow::Result<()> {
    let _swap = Swap::on_zram()?;
    let pages = written(run)?;
    page_out_to_device(pages)?;
    swap_in(run, pages, Access::Write, 1).map(drop)
}

/// `swap_writeout` only notes that the page is zero (`swap_zeromap_folio_set`): it comes back with
/// VM_FAULT_MAJOR, but without I/O.
fn zero_filled(run: &mut Run) -> anyhow::Result<()> {
    let _swap = Swap::on_zram()?;
    let pages = written(run)?;
    // SAFETY: mapped, and nothing else uses it.
    unsafe { pages.as_bytes() }.fill(0);
    page_out_to_device(pages)?;
    let expected = Faults::new(Class::SwapIn, Access::Read, pages)
        .major(true)
        .variant("cache")
        .step(1);
    run.provoke([expected], || pages.read_each())
}

/// `shmem_swapin_folio` brings the page back into the page cache; MM_SHMEMPAGES moves, and
/// MM_SWAPENTS does not, as the mapping's own entry is empty.
fn shared(run: &mut Run) -> anyhow::Result<()> {
    let _swap = Swap::on_zram()?;
    pin_to_one_cpu()?;
    let pages = Pages::map_anonymous(run.count, READ_WRITE, MapFlags::MAP_SHARED)?;
    let alloc = Faults::new(Class::Shmem, Access::Write, pages);
    run.provoke([alloc], || pages.write_each())?;
    page_out_shared(pages)?;
    let expected = Faults::new(Class::Shmem, Access::Read, pages)
        .major(true)
        .step(1);
    run.provoke([expected], || pages.read_each())
}
