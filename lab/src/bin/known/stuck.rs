//! Faults that wait for a userfaultfd.

use std::{io, thread};

use crate::{address::PAGE, memory::Range, process::wait};

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
    // Nobody reads it.
    let _userfault = Userfault::on(range);
    eprintln!("stuck");
    range.touch();
}

/// A thread waits in a fault until told to go on.
pub(crate) fn held(range: &Range) {
    let userfault = Userfault::on(range);
    thread::scope(|scope| {
        scope.spawn(|| range.touch());
        userfault.wait_for_one();
        wait();
        userfault.resolve();
    });
}

/// Faults of a range that wait until they are resolved.
pub(crate) struct Userfault {
    /// Stays open until the end.
    descriptor: i32,
    start: u64,
    bytes: u64,
}

impl Userfault {
    pub(crate) fn on(range: &Range) -> Self {
        // SAFETY: a new descriptor, which stays open until the end.
        let descriptor = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
        let descriptor = i32::try_from(descriptor).expect("a descriptor");
        assert!(
            descriptor >= 0,
            "userfaultfd: {}",
            io::Error::last_os_error()
        );
        let userfault = Self {
            descriptor,
            start: range.start as u64,
            bytes: (range.pages * PAGE) as u64,
        };
        // struct uffdio_api: api, features, ioctls.
        userfault.ioctl(0x3f, &mut [UFFD_API, 0, 0]);
        // struct uffdio_register: start, len, mode, ioctls.
        userfault.ioctl(0, &mut [userfault.start, userfault.bytes, MODE_MISSING, 0]);
        userfault
    }

    /// Waits until a thread waits.
    pub(crate) fn wait_for_one(&self) {
        // struct uffd_msg.
        let mut message = [0_u64; 4];
        let bytes = size_of_val(&message);
        // SAFETY: there is room for one message.
        let read = unsafe { libc::read(self.descriptor, message.as_mut_ptr().cast(), bytes) };
        assert_eq!(read, bytes.cast_signed(), "{}", io::Error::last_os_error());
    }

    /// Gives every page, and lets all that wait go on.
    pub(crate) fn resolve(&self) {
        // struct uffdio_zeropage: start, len, mode, zeropage.
        self.ioctl(4, &mut [self.start, self.bytes, 0, 0]);
    }

    fn ioctl<const WORDS: usize>(&self, number: u64, argument: &mut [u64; WORDS]) {
        let request = request(number, size_of_val(argument));
        // SAFETY: the structure has the size that the request names.
        let failed = unsafe { libc::ioctl(self.descriptor, request, argument.as_mut_ptr()) };
        assert_eq!(failed, 0, "userfaultfd: {}", io::Error::last_os_error());
    }
}
