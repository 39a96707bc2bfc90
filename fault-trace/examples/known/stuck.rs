//! A fault that waits for a userfaultfd which nobody reads.

use std::io;

use crate::{address::PAGE, memory::Range};

/// `UFFD_API`: the version of the interface, and the type of its ioctls.
const UFFD_API: u64 = 0xaa;
/// `UFFDIO_REGISTER_MODE_MISSING`.
const MODE_MISSING: u64 = 1;

/// The number of `_IOWR(UFFD_API, number, bytes)`.
const fn request(number: u64, bytes: usize) -> libc::Ioctl {
    ((3 << 30) | ((bytes as u64) << 16) | (UFFD_API << 8) | number) as libc::Ioctl
}

/// Never returns; a signal must end it.
pub(crate) fn stuck(range: &Range) {
    // SAFETY: a new descriptor, which stays open until the end.
    let descriptor = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
    let descriptor = i32::try_from(descriptor).expect("a descriptor");
    assert!(
        descriptor >= 0,
        "userfaultfd: {}",
        io::Error::last_os_error()
    );
    // struct uffdio_api: api, features, ioctls.
    let mut api = [UFFD_API, 0, 0];
    // struct uffdio_register: start, len, mode, ioctls.
    let bytes = (range.pages * PAGE) as u64;
    let mut register = [range.start as u64, bytes, MODE_MISSING, 0];
    // SAFETY: both structures have the sizes that the requests name.
    let failed = unsafe {
        libc::ioctl(descriptor, request(0x3f, size_of_val(&api)), &raw mut api)
            | libc::ioctl(
                descriptor,
                request(0, size_of_val(&register)),
                &raw mut register,
            )
    };
    assert_eq!(failed, 0, "userfaultfd: {}", io::Error::last_os_error());
    eprintln!("stuck");
    range.touch();
}
