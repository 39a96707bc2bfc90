//! userfaultfd(2): the least that the scenarios need (`include/uapi/linux/userfaultfd.h`).

use std::{fs::File, io::Read as _, os::fd::AsRawFd as _};

use anyhow::Context as _;
use nix::errno::Errno;

use crate::{
    memory::{PAGE, Pages},
    scenario::skip,
    syscall::descriptor,
};

/// Register: faults on pages that are not there.
pub(crate) const MISSING: u64 = 1;
/// Register: writes to pages that [`Userfault::write_protect`] covers.
pub(crate) const WRITE_PROTECT: u64 = 2;
/// Register: faults on pages that are in the page cache, but not mapped.
pub(crate) const MINOR: u64 = 4;

pub(crate) const FEATURE_WRITE_PROTECT: u64 = 1 << 0;
pub(crate) const FEATURE_MINOR_SHMEM: u64 = 1 << 10;
pub(crate) const FEATURE_POISON: u64 = 1 << 14;

const API: u64 = 0xaa;
const EVENT_PAGEFAULT: u8 = 0x12;

/// An ioctl's argument: up to five words.
type Words = [u64; 5];

/// An ioctl that reads and writes `words` words.
const fn request(number: u32, words: u32) -> libc::Ioctl {
    (3 << 30 | (words * 8) << 16 | (API as u32) << 8 | number) as libc::Ioctl
}

/// A userfaultfd.
pub(crate) struct Userfault(File);

impl Userfault {
    /// Skips where the kernel or the privileges do not allow it.
    pub(crate) fn new(features: u64) -> anyhow::Result<Self> {
        let made = descriptor(|| {
            // SAFETY: a system call without pointers.
            Ok(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) })
        });
        let Ok(fd) = made else {
            return skip("userfaultfd(2) is not allowed here");
        };
        let userfault = Self(File::from(fd));
        match userfault.call(0x3f, 3, [API, features, 0, 0, 0]) {
            Ok(_) => Ok(userfault),
            Err(_) => skip("this kernel's userfaultfd lacks the feature"),
        }
    }

    fn call(&self, number: u32, words: u32, mut argument: Words) -> nix::Result<Words> {
        // SAFETY: the argument is as long as the request says, or longer.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                request(number, words),
                argument.as_mut_ptr(),
            )
        };
        Errno::result(result).map(|_| argument)
    }

    pub(crate) fn register(&self, pages: Pages, mode: u64) -> anyhow::Result<()> {
        let range = [pages.start as u64, pages.bytes() as u64, mode, 0, 0];
        match self.call(0x00, 4, range) {
            Ok(_) => Ok(()),
            Err(error) => skip(format!("userfaultfd does not take this mapping: {error}")),
        }
    }

    /// Waits for a fault; its address.
    pub(crate) fn wait(&self) -> anyhow::Result<usize> {
        let mut message = [0; 32];
        loop {
            (&self.0).read_exact(&mut message).context("userfaultfd")?;
            if message[0] == EVENT_PAGEFAULT {
                let mut address = [0; 8];
                address.copy_from_slice(&message[16..24]);
                return Ok(usize::from_ne_bytes(address) & !(PAGE - 1));
            }
        }
    }

    /// Resolves a missing page with a copy of another.
    pub(crate) fn copy(&self, address: usize, source: usize) -> anyhow::Result<()> {
        let argument = [address as u64, source as u64, PAGE as u64, 0, 0];
        self.call(0x03, 5, argument).context("UFFDIO_COPY")?;
        Ok(())
    }

    /// Resolves a minor fault with the page in the page cache.
    pub(crate) fn map_cached(&self, address: usize) -> anyhow::Result<()> {
        let argument = [address as u64, PAGE as u64, 0, 0, 0];
        self.call(0x07, 4, argument).context("UFFDIO_CONTINUE")?;
        Ok(())
    }

    /// Protects pages against writes, or ends that and wakes who waits.
    pub(crate) fn write_protect(&self, pages: Pages, protect: bool) -> anyhow::Result<()> {
        let range = [pages.start as u64, pages.bytes() as u64];
        self.call(0x06, 3, [range[0], range[1], u64::from(protect), 0, 0])
            .context("UFFDIO_WRITEPROTECT")?;
        Ok(())
    }

    /// Marks pages as broken.
    pub(crate) fn poison(&self, pages: Pages) -> anyhow::Result<()> {
        let argument = [pages.start as u64, pages.bytes() as u64, 0, 0, 0];
        self.call(0x08, 4, argument).context("UFFDIO_POISON")?;
        Ok(())
    }
}
