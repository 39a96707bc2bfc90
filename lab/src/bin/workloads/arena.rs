//! Addresses that nothing else in the process has had or will have, so that every fault at them is a
//! scenario's.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, ensure};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

/// A page of a page-middle directory.
pub(crate) const HUGE_PAGE: usize = 2 << 20;
/// Address space, not memory.
const SIZE: usize = 256 << 30;

/// What is left of it: start and end.
static FREE: Mutex<Option<(usize, usize)>> = Mutex::new(None);

/// Takes `bytes` of addresses, aligned to a huge page, with no other taken ones next to them. They are
/// mapped without any right, and are to be mapped over.
pub(crate) fn take(bytes: usize) -> anyhow::Result<usize> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let (start, end) = match *free {
        Some(range) => range,
        None => reserve()?,
    };
    let next = start + bytes.next_multiple_of(HUGE_PAGE) + HUGE_PAGE;
    ensure!(next <= end, "--count is too large");
    *free = Some((next, end));
    Ok(start)
}

fn reserve() -> anyhow::Result<(usize, usize)> {
    let size = NonZero::new(SIZE).context("the arena is not empty")?;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
    // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
    let start = unsafe { mmap_anonymous(None, size, ProtFlags::PROT_NONE, flags) }
        .context("cannot reserve address space; `ulimit -v` may be too small")?;
    let start = start.addr().get();
    Ok((start.next_multiple_of(HUGE_PAGE), start + SIZE))
}
