//! Memory at known addresses.

use std::{ffi::c_void, io};

use crate::address::{PAGE, START};

/// Hands out pages, one after another.
pub(crate) struct Pages {
    next: usize,
}

impl Pages {
    pub(crate) const fn new() -> Self {
        Self { next: START }
    }

    /// The first address that nothing is mapped at.
    pub(crate) const fn next(&self) -> usize {
        self.next
    }

    /// Maps fresh anonymous pages. Nothing touches them.
    pub(crate) fn map(&mut self, pages: usize) -> Range {
        let range = Range {
            start: self.next,
            pages,
        };
        self.next += pages * PAGE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let (start, bytes) = (range.start as *mut c_void, pages * PAGE);
        // SAFETY: a new mapping where there is none; the kernel sees to that.
        let (mapped, advised) = unsafe {
            let mapped = libc::mmap(start, bytes, protection, flags, -1, 0);
            (mapped, libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE))
        };
        assert_eq!(mapped, start, "{}", io::Error::last_os_error());
        // A kernel without huge pages has no such advice to take.
        assert!(advised == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL));
        range
    }
}

/// Pages that are mapped.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) start: usize,
    pub(crate) pages: usize,
}

impl Range {
    /// Writes to each page.
    pub(crate) fn touch(&self) {
        for page in 0..self.pages {
            let address = (self.start + page * PAGE) as *mut u8;
            // SAFETY: the page is mapped and holds nothing.
            unsafe { address.write_volatile(1) };
        }
    }

    /// Has the kernel make each page present, as if it was written to (Linux 5.14).
    pub(crate) fn populate(&self) {
        let (start, bytes) = (self.start as *mut c_void, self.pages * PAGE);
        // SAFETY: the pages are mapped and hold nothing.
        let failed = unsafe { libc::madvise(start, bytes, libc::MADV_POPULATE_WRITE) };
        assert_eq!(failed, 0, "{}", io::Error::last_os_error());
    }

    /// One of so many equal parts.
    pub(crate) const fn part(&self, index: usize, parts: usize) -> Self {
        let pages = self.pages / parts;
        Self {
            start: self.start + index * pages * PAGE,
            pages,
        }
    }
}

/// Has the kernel read from `address`, where nothing is mapped.
pub(crate) fn efault(address: usize, times: usize) {
    let (_reader, writer) = nix::unistd::pipe().expect("a pipe");
    for _ in 0..times {
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
        // SAFETY: the kernel checks the address, and finds that it cannot be read.
        let written = unsafe { libc::write(descriptor, address as *const c_void, 1) };
        let error = io::Error::last_os_error().raw_os_error();
        assert_eq!((written, error), (-1, Some(libc::EFAULT)));
    }
}

/// Writes to `address`, where nothing is mapped, and dies of it.
pub(crate) fn segv(address: usize) {
    // SAFETY: the default action needs no handler. The runtime's would try the access a second time.
    // Nothing is mapped at the address, so nothing is overwritten.
    unsafe {
        libc::signal(libc::SIGSEGV, libc::SIG_DFL);
        (address as *mut u8).write_volatile(1);
    }
}
