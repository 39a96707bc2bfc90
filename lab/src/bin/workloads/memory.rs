//! Page-granular memory that is only ever touched on purpose.
//!
//! Every mapping has addresses of its own ([`arena`]), aligned to a huge page.

use std::{num::NonZero, os::fd::AsFd, ptr::NonNull};

use anyhow::Context as _;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mlock, mmap, mmap_anonymous};

use crate::arena;

/// Bytes in a base page of x86-64.
pub(crate) const PAGE: usize = 4096;
/// Bytes in a huge page of x86-64 (PMD level).
pub(crate) use crate::arena::HUGE_PAGE;

pub(crate) const READ_WRITE: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);

/// Memory that no Rust reference points to, looked at as equal parts: pages, huge pages, or the
/// windows of fault-around. "Touching" a part means its first bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages {
    pub(crate) start: usize,
    count: usize,
    stride: usize,
}

impl Pages {
    /// A private anonymous mapping that huge pages of any size stay out of.
    pub(crate) fn anonymous(count: usize) -> anyhow::Result<Self> {
        Self::map_anonymous(count, READ_WRITE, MapFlags::MAP_PRIVATE)
    }

    pub(crate) fn map_anonymous(
        count: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> anyhow::Result<Self> {
        let (length, place) = place(count)?;
        let flags = flags | MapFlags::MAP_FIXED;
        // SAFETY: the place was taken for this.
        unsafe { mmap_anonymous(place, length, protection, flags) }
            .with_context(|| format!("cannot map {length} bytes of anonymous memory"))?;
        let pages = Self::at(place.map_or(0, NonZero::get), count);
        // Without CONFIG_TRANSPARENT_HUGEPAGE the advice is unknown, and not needed.
        let _ = pages.advise(MmapAdvise::MADV_NOHUGEPAGE);
        Ok(pages)
    }

    /// A mapping of the first `count` pages of a file.
    pub(crate) fn map_file(
        count: usize,
        protection: ProtFlags,
        flags: MapFlags,
        file: impl AsFd,
    ) -> anyhow::Result<Self> {
        let (length, place) = place(count)?;
        let flags = flags | MapFlags::MAP_FIXED;
        // SAFETY: the place was taken for this.
        unsafe { mmap(place, length, protection, flags, file, 0) }
            .with_context(|| format!("cannot map {length} bytes of a file"))?;
        Ok(Self::at(place.map_or(0, NonZero::get), count))
    }

    /// Pages at an address where nothing that Rust knows of lives.
    pub(crate) const fn at(start: usize, count: usize) -> Self {
        Self {
            start,
            count,
            stride: PAGE,
        }
    }

    /// The same memory in parts of `stride` bytes.
    pub(crate) const fn every(self, stride: usize) -> Self {
        Self {
            count: self.bytes() / stride,
            stride,
            ..self
        }
    }

    /// Room for `count` huge pages.
    pub(crate) fn huge(count: usize) -> anyhow::Result<Self> {
        Ok(Self::anonymous(count * (HUGE_PAGE / PAGE))?.every(HUGE_PAGE))
    }

    /// Only the first `count` parts.
    pub(crate) fn first(self, count: usize) -> Self {
        assert!(count <= self.count);
        Self { count, ..self }
    }

    /// All but the first `count` parts.
    pub(crate) fn without_first(self, count: usize) -> Self {
        assert!(count <= self.count);
        Self {
            start: self.start + count * self.stride,
            count: self.count - count,
            ..self
        }
    }

    pub(crate) const fn count(self) -> usize {
        self.count
    }

    pub(crate) const fn bytes(self) -> usize {
        self.count * self.stride
    }

    pub(crate) const fn end(self) -> usize {
        self.start + self.bytes()
    }

    pub(crate) fn address(self, index: usize) -> usize {
        assert!(index < self.count);
        self.start + index * self.stride
    }

    pub(crate) fn addresses(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |index| self.start + index * self.stride)
    }

    pub(crate) fn pointer(self) -> NonNull<libc::c_void> {
        NonNull::with_exposed_provenance(NonZero::new(self.start).unwrap_or(NonZero::<usize>::MAX))
    }

    /// All of it, to read(2) into or write(2) from.
    ///
    /// # Safety
    ///
    /// The memory must be mapped, and the slice its only user.
    pub(crate) unsafe fn as_bytes(self) -> &'static mut [u8] {
        // SAFETY: the caller's promise; mappings live as long as the process.
        unsafe {
            std::slice::from_raw_parts_mut(
                std::ptr::with_exposed_provenance_mut(self.start),
                self.bytes(),
            )
        }
    }

    /// Reads from every part.
    pub(crate) fn read_each(self) {
        self.addresses().for_each(read);
    }

    /// Writes to every part: its own address, so that no two have the same content.
    pub(crate) fn write_each(self) {
        self.addresses().for_each(write);
    }

    pub(crate) fn advise(self, advice: MmapAdvise) -> nix::Result<()> {
        // SAFETY: no Rust reference points into the memory, whatever becomes of its content.
        unsafe { madvise(self.pointer(), self.bytes(), advice) }
    }

    /// As [`Self::advise`], for advice newer than the library.
    pub(crate) fn advise_number(self, advice: libc::c_int) -> nix::Result<()> {
        // SAFETY: as for `advise`.
        let result = unsafe { libc::madvise(self.pointer().as_ptr(), self.bytes(), advice) };
        nix::errno::Errno::result(result).map(drop)
    }

    pub(crate) fn protect(self, protection: ProtFlags) -> nix::Result<()> {
        // SAFETY: as for `advise`.
        unsafe { nix::sys::mman::mprotect(self.pointer(), self.bytes(), protection) }
    }

    /// Gives the memory back, where a scenario cannot do without.
    pub(crate) fn unmap(self) -> anyhow::Result<()> {
        // SAFETY: as for `advise`.
        unsafe { nix::sys::mman::munmap(self.pointer(), self.bytes()) }.context("munmap")
    }

    /// Which pages are in memory or, for swapped ones, in the swap cache.
    pub(crate) fn residency(self) -> anyhow::Result<Vec<bool>> {
        let mut residency = vec![0u8; self.bytes().div_ceil(PAGE)];
        // SAFETY: the vector has a byte for each page.
        let result = unsafe {
            libc::mincore(
                self.pointer().as_ptr(),
                self.bytes(),
                residency.as_mut_ptr(),
            )
        };
        nix::errno::Errno::result(result).context("mincore")?;
        Ok(residency.iter().map(|byte| byte & 1 == 1).collect())
    }
}

/// The bytes of `count` pages, and a place for them.
fn place(count: usize) -> anyhow::Result<(NonZero<usize>, Option<NonZero<usize>>)> {
    let length = NonZero::new(count * PAGE).context("--count must be at least 1")?;
    Ok((length, NonZero::new(arena::take(length.get())?)))
}

/// Reads a byte of mapped memory.
pub(crate) fn read(address: usize) {
    // SAFETY: callers pass addresses in mappings of `Pages`, or of the program itself.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address).read_volatile() };
}

/// Writes a word of memory that only this program's scenarios use.
pub(crate) fn write(address: usize) {
    // SAFETY: as for `read`, and nothing refers to the memory.
    unsafe { std::ptr::with_exposed_provenance_mut::<usize>(address).write_volatile(address) };
}

/// Keeps mapped pages in memory for as long as they are mapped, if RLIMIT_MEMLOCK allows it: a kernel may
/// drop pages of files without being short of memory (DAMON).
pub(crate) fn keep(address: usize, bytes: usize) {
    let pointer = std::ptr::with_exposed_provenance_mut(address);
    if let Some(pointer) = NonNull::new(pointer) {
        // SAFETY: changes no memory.
        let _ = unsafe { mlock(pointer, bytes) };
    }
}
