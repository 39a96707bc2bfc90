//! Fresh anonymous pages, whose first touch is one minor fault.

use std::{num::NonZeroUsize, ptr::NonNull};

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

/// Bytes of a base page on x86.
pub const PAGE_BYTES: usize = 4096;

/// Private anonymous memory without huge pages; unmapped when dropped.
#[derive(Debug)]
pub struct FreshPages {
    memory: NonNull<u8>,
    pages: NonZeroUsize,
}

// SAFETY: it owns its mapping, and all access to it is through `&self` writes of the same byte value.
unsafe impl Send for FreshPages {}

impl FreshPages {
    /// Maps `pages` pages, none of which is there yet.
    ///
    /// # Errors
    /// The kernel has no memory or no addresses for them.
    pub fn map(pages: NonZeroUsize) -> nix::Result<Self> {
        let bytes =
            pages.saturating_mul(const { NonZeroUsize::new(PAGE_BYTES).expect("not zero") });
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, at an address that the kernel picks.
        let memory = unsafe { mmap_anonymous(None, bytes, access, MapFlags::MAP_PRIVATE) }?;
        // One fault a page, also where huge pages are always on. Kernels without them refuse: also fine.
        // SAFETY: the mapping that was just made.
        let _ = unsafe { madvise(memory, bytes.get(), MmapAdvise::MADV_NOHUGEPAGE) };
        Ok(Self {
            memory: memory.cast(),
            pages,
        })
    }

    /// How many there are.
    #[must_use]
    pub const fn pages(&self) -> usize {
        self.pages.get()
    }

    /// The first address and the first beyond.
    #[must_use]
    pub fn addresses(&self) -> (u64, u64) {
        let start = self.memory.as_ptr() as u64;
        (start, start + self.bytes() as u64)
    }

    const fn bytes(&self) -> usize {
        self.pages.get() * PAGE_BYTES
    }

    /// Writes to a page.
    #[inline]
    pub fn touch(&self, page: usize) {
        assert!(page < self.pages.get(), "there is no page {page}");
        // SAFETY: the memory is mapped, and holds this page.
        unsafe { self.memory.add(page * PAGE_BYTES).write_volatile(1) };
    }

    /// Makes all pages fresh again.
    ///
    /// # Errors
    /// None that is known for memory of this kind.
    pub fn refresh(&self) -> nix::Result<()> {
        // SAFETY: the mapping stays, and nobody relies on what is in it.
        unsafe { madvise(self.memory.cast(), self.bytes(), MmapAdvise::MADV_DONTNEED) }
    }
}

impl Drop for FreshPages {
    fn drop(&mut self) {
        // It is mapped, so this cannot fail but for a lack of memory, about which nothing can be done.
        // SAFETY: nothing refers to the mapping any more.
        let _ = unsafe { munmap(self.memory.cast(), self.bytes()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::Proc;

    #[test]
    fn each_page_is_a_fault_once_until_it_is_refreshed() {
        let fresh = FreshPages::map(NonZeroUsize::new(300).expect("not zero")).expect("memory");
        let tid = nix::unistd::gettid().as_raw().cast_unsigned();
        let faults = || {
            let snapshot = Proc::default().snapshot(&[std::process::id()]);
            let before = snapshot[&(std::process::id(), tid)].counts.minor;
            (0..fresh.pages()).for_each(|page| fresh.touch(page));
            let snapshot = Proc::default().snapshot(&[std::process::id()]);
            snapshot[&(std::process::id(), tid)].counts.minor - before
        };
        // Reading /proc may take some, too, but far fewer.
        assert!((300..450).contains(&faults()));
        assert!(faults() < 150);
        fresh.refresh().expect("memory of its own");
        assert!((300..450).contains(&faults()));
    }
}
