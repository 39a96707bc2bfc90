//! Places to swap to, made for one scenario and taken away after it.

use std::{
    ffi::CString,
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use nix::{errno::Errno, sys::mman::MmapAdvise};

use crate::{
    memory::{PAGE, Pages},
    restore::Restore,
    scenario::skip,
};

/// Pages of swap: many more than a scenario uses, as the kernel gives slots back early once half of
/// them are taken (`vm_swap_full`).
const SWAP_PAGES: usize = 4096;
const ATTEMPTS: usize = 200;

/// Swap that is on until this is dropped. The guards are dropped in this order.
pub(crate) struct Swap {
    _swap: Restore,
    _place: Restore,
    _readahead: Restore,
}

impl Swap {
    /// A swap file: slots are written to the disk.
    pub(crate) fn on_file(dir: &Path) -> anyhow::Result<Self> {
        let readahead = no_readahead()?;
        let path = dir.join(format!("workloads-{}.swap", std::process::id()));
        let place = Restore::with({
            let path = path.clone();
            move || {
                let _ = fs::remove_file(path);
            }
        })?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        let block = vec![0; 1 << 20];
        for offset in (0..SWAP_PAGES * PAGE).step_by(block.len()) {
            // Holes are not allowed.
            file.write_all_at(&block, offset as u64)?;
        }
        Self::switch_on(path, &file, place, readahead)
    }

    /// A zram device: slots are compressed into memory, and I/O is over at once.
    pub(crate) fn on_zram() -> anyhow::Result<Self> {
        let readahead = no_readahead()?;
        let control = Path::new("/sys/class/zram-control");
        let Ok(number) = fs::read_to_string(control.join("hot_add")) else {
            return skip("this kernel has no zram, or no root is here to add a device");
        };
        let number = number.trim().to_owned();
        let settings = PathBuf::from(format!("/sys/block/zram{number}"));
        let place = Restore::with({
            let settings = settings.clone();
            let number = number.clone();
            move || {
                let reset = fs::write(settings.join("reset"), "1");
                let removed = fs::write(control.join("hot_remove"), number);
                if let Err(error) = reset.and(removed) {
                    eprintln!("workloads: cannot remove {}: {error}", settings.display());
                }
            }
        })?;
        let bytes = (SWAP_PAGES * PAGE).to_string();
        fs::write(settings.join("disksize"), bytes).context("zram disksize")?;
        let path = PathBuf::from(format!("/dev/zram{number}"));
        let file = OpenOptions::new()
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        Self::switch_on(path, &file, place, readahead)
    }

    fn switch_on(
        path: PathBuf,
        file: &File,
        place: Restore,
        readahead: Restore,
    ) -> anyhow::Result<Self> {
        write_header(file)?;
        let name = CString::new(path.into_os_string().into_encoded_bytes())?;
        // SAFETY: a NUL-terminated path.
        if let Err(error) = Errno::result(unsafe { libc::swapon(name.as_ptr(), PREFERRED) }) {
            return skip(format!("swapon: {error}"));
        }
        let swap = Restore::with(move || {
            // SAFETY: a NUL-terminated path.
            if unsafe { libc::swapoff(name.as_ptr()) } != 0 {
                eprintln!("workloads: cannot switch {name:?} off: {}", Errno::last());
            }
        })?;
        Ok(Self {
            _swap: swap,
            _place: place,
            _readahead: readahead,
        })
    }
}

/// SWAP_FLAG_PREFER and the highest priority: before any other swap.
const PREFERRED: libc::c_int = 0x8000 | 0x7fff;

/// One page a swap-in, so that each page faults for itself.
fn no_readahead() -> anyhow::Result<Restore> {
    Restore::setting("/proc/sys/vm/page-cluster", "0")
}

/// What mkswap(8) writes (`union swap_header`).
fn write_header(file: &File) -> anyhow::Result<()> {
    const SIGNATURE: &[u8] = b"SWAPSPACE2";
    const VERSION: u32 = 1;
    let mut header = [0; PAGE];
    header[1024..1028].copy_from_slice(&VERSION.to_ne_bytes());
    let last_page = u32::try_from(SWAP_PAGES - 1)?;
    header[1028..1032].copy_from_slice(&last_page.to_ne_bytes());
    header[PAGE - SIGNATURE.len()..].copy_from_slice(SIGNATURE);
    file.write_all_at(&header, 0)?;
    file.sync_all().context("fsync")
}

/// Swaps every page out. Some may stay in the swap cache.
pub(crate) fn page_out(pages: Pages) -> anyhow::Result<()> {
    page_out_until(pages, |pages| Ok(swapped(pages)? == pages.count()))
}

/// The same where I/O is over at once, so that none stays in the swap cache.
pub(crate) fn page_out_to_device(pages: Pages) -> anyhow::Result<()> {
    page_out_until(pages, |pages| {
        Ok(swapped(pages)? == pages.count() && cached(pages)? == 0)
    })
}

/// The same for shared memory, whose entries are empty once it is out.
pub(crate) fn page_out_shared(pages: Pages) -> anyhow::Result<()> {
    page_out_until(pages, |pages| Ok(cached(pages)? == 0))
}

/// Empties the CPUs' batches of pages on their way to an LRU list. The end of a write puts a page into
/// one (`folio_rotate_reclaimable`), where its reference keeps it from being dropped. move_pages(2) does
/// it for all CPUs (`lru_cache_disable`), and has nothing to move here.
pub(crate) fn drain_lru_batches(pages: Pages) {
    const MPOL_MF_MOVE: libc::c_int = 2;
    let (first_node, mut status) = (0, 0);
    let (own, count) = (0, 1);
    // SAFETY: one address, one node and one status. What it returns does not matter.
    unsafe {
        libc::syscall(
            libc::SYS_move_pages,
            own,
            count,
            &raw const pages.start,
            &raw const first_node,
            &raw mut status,
            MPOL_MF_MOVE,
        );
    }
}

fn page_out_until(
    pages: Pages,
    done: impl Fn(Pages) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    for _ in 0..ATTEMPTS {
        pages
            .advise(MmapAdvise::MADV_PAGEOUT)
            .context("MADV_PAGEOUT")?;
        if done(pages)? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    skip("the kernel does not swap the pages out")
}

/// How many of the pages are in memory; of swapped pages, in the swap cache.
pub(crate) fn cached(pages: Pages) -> anyhow::Result<usize> {
    let residency = pages.residency()?;
    Ok(residency.into_iter().filter(|&resident| resident).count())
}

/// How many of the pages have a swap entry in their place (/proc/PID/pagemap).
fn swapped(pages: Pages) -> anyhow::Result<usize> {
    const SWAPPED: u64 = 1 << 62;
    let mut entries = vec![0; pages.count() * 8];
    let offset = (pages.start / PAGE * 8) as u64;
    let pagemap = File::open("/proc/self/pagemap")?;
    pagemap.read_exact_at(&mut entries, offset)?;
    let (entries, _) = entries.as_chunks();
    Ok(entries
        .iter()
        .filter(|entry| u64::from_ne_bytes(**entry) & SWAPPED != 0)
        .count())
}
