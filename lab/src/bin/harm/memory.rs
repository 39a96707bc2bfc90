//! Memory, a lot of it or in many pieces.

use std::{
    num::NonZeroUsize,
    ptr::{self, NonNull},
};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

const PAGE: usize = 4096;
/// Well below `vm.max_map_count`, which is 65,530 unless somebody changed it.
const MAPPED_AT_A_TIME: usize = 25_000;

/// Writes to fresh pages.
pub(crate) fn touch(pages: usize) {
    let memory = map(pages, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
    for page in 0..pages {
        write(memory, page);
    }
    unmap(memory, pages);
}

/// Maps single pages: a page that nobody may use lies behind each, so that the kernel cannot merge them.
pub(crate) fn mappings(count: usize) {
    let mut left = count;
    while left > 0 {
        let now = left.min(MAPPED_AT_A_TIME);
        let memory = map(2 * now, ProtFlags::PROT_NONE);
        for index in 0..now {
            let page = memory.as_ptr().wrapping_byte_add(2 * index * PAGE);
            // SAFETY: a page of the mapping, which nothing refers to.
            let failed =
                unsafe { libc::mprotect(page.cast(), PAGE, libc::PROT_READ | libc::PROT_WRITE) };
            assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
            write(memory, 2 * index);
        }
        unmap(memory, 2 * now);
        left -= now;
    }
}

/// Fresh pages, without huge ones.
pub(crate) fn map(pages: usize, protection: ProtFlags) -> NonNull<u8> {
    let bytes = NonZeroUsize::new(pages * PAGE).expect("at least one");
    // SAFETY: a new mapping, at an address that the kernel picks.
    let memory = unsafe { mmap_anonymous(None, bytes, protection, MapFlags::MAP_PRIVATE) };
    let memory = memory.expect("there is memory");
    // SAFETY: the mapping is ours. A kernel without huge pages has no such advice to take.
    unsafe { libc::madvise(memory.as_ptr(), bytes.get(), libc::MADV_NOHUGEPAGE) };
    memory.cast()
}

/// Writes to a page of the mapping, which may be written to.
pub(crate) fn write(memory: NonNull<u8>, page: usize) {
    let address = memory.as_ptr().wrapping_byte_add(page * PAGE);
    // SAFETY: the page is mapped, and holds nothing.
    unsafe { ptr::write_volatile(address, 1) };
}

fn unmap(memory: NonNull<u8>, pages: usize) {
    // SAFETY: nothing refers to the mapping any more.
    unsafe { munmap(memory.cast(), pages * PAGE) }.expect("it is mapped");
}
