//! Files to map, on a disk and in memory, with no name that could be left behind.

use std::{
    ffi::CString,
    fs::File,
    io::{Seek as _, SeekFrom, Write as _},
    os::{fd::AsRawFd as _, unix::fs::FileExt as _},
    path::Path,
};

use anyhow::Context as _;
use nix::{
    fcntl::{PosixFadviseAdvice, posix_fadvise},
    sys::{
        memfd::{MFdFlags, memfd_create},
        mman::{MapFlags, MmapAdvise, ProtFlags},
        statfs::{TMPFS_MAGIC, fstatfs},
    },
};

use crate::{
    memory::{PAGE, Pages, keep},
    scenario::require,
};

/// The window that fault-around maps at once (`fault_around_bytes`).
pub(crate) const WINDOW: usize = 64 << 10;

/// A file on a disk with `count` windows, written out and in the page cache for good.
pub(crate) fn cached(dir: &Path, count: usize) -> anyhow::Result<File> {
    let file = on_disk(dir, count)?;
    let bytes = count * WINDOW;
    let pages = Pages::map_file(
        bytes / PAGE,
        ProtFlags::PROT_READ,
        MapFlags::MAP_SHARED,
        &file,
    )?;
    keep(pages.start, bytes);
    Ok(file)
}

/// A file on a disk with `count` windows, written out and in the page cache.
pub(crate) fn on_disk(dir: &Path, count: usize) -> anyhow::Result<File> {
    let file = tempfile::tempfile_in(dir)
        .with_context(|| format!("cannot make a file in {}", dir.display()))?;
    require(
        fstatfs(&file)?.filesystem_type() != TMPFS_MAGIC,
        "--dir is on tmpfs, which has no page cache of a disk",
    )?;
    fill(&file, count * WINDOW)?;
    // Pages under writeback are locked now and then, and fault-around passes them by.
    file.sync_all().context("fsync")?;
    Ok(file)
}

/// A file of tmpfs with `count` pages, all present.
pub(crate) fn in_memory(count: usize) -> anyhow::Result<File> {
    let file = empty_in_memory(count)?;
    fill(&file, count * PAGE)?;
    Ok(file)
}

/// A file of tmpfs with room for `count` pages, none present.
pub(crate) fn empty_in_memory(count: usize) -> anyhow::Result<File> {
    let name = CString::new("workloads")?;
    let file = File::from(memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC)?);
    file.set_len((count * PAGE) as u64)?;
    Ok(file)
}

/// Writes bytes that differ from page to page and are never all zero.
fn fill(mut file: &File, bytes: usize) -> anyhow::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    for page in 0..bytes / PAGE {
        let mut content = [0x5a; PAGE];
        content[..8].copy_from_slice(&page.to_ne_bytes());
        file.write_all(&content).context("cannot fill a file")?;
    }
    Ok(())
}

/// Makes the first instruction of each of `count` windows a `ret`, and writes the file out.
pub(crate) fn fill_with_return(file: &File, count: usize) -> anyhow::Result<()> {
    const RETURN: u8 = 0xc3;
    for window in 0..count {
        file.write_all_at(&[RETURN], (window * WINDOW) as u64)?;
    }
    file.sync_all().context("fsync")
}

/// Maps the file and looks at it window by window. No readahead: each access brings in one page.
pub(crate) fn map(
    file: &File,
    count: usize,
    protection: ProtFlags,
    flags: MapFlags,
) -> anyhow::Result<Pages> {
    let mapped = Pages::map_file(count * WINDOW / PAGE, protection, flags, file)?;
    mapped.advise(MmapAdvise::MADV_RANDOM)?;
    Ok(mapped.every(WINDOW))
}

/// Drops a file's pages from the page cache; nothing may map them.
pub(crate) fn evict(file: &File) -> anyhow::Result<()> {
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).context("fadvise")?;
    let bytes = usize::try_from(file.metadata()?.len())?;
    let pages = Pages::map_file(
        bytes / PAGE,
        ProtFlags::PROT_READ,
        MapFlags::MAP_SHARED,
        file,
    )?;
    let cached = pages.residency()?.contains(&true);
    pages.unmap()?;
    require(!cached, "the file's pages stay in the page cache")
}

/// A path to the file, for what takes a path only.
pub(crate) fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
