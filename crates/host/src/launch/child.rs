//! The child between fork and exec. Other threads of the parent may have held any lock at the fork,
//! so everything here is async-signal-safe: no allocation, no panic, no lock.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::RawFd,
    ptr,
};

use nix::{
    errno::Errno,
    sys::signal::{SigSet, SigmaskHow, pthread_sigmask},
};

use super::image::Image;
use crate::{signals::was_ignored, users::Identity};

/// What the child tells its parent, as a little-endian error number; 0 is [`Report::Ready`].
pub(super) enum Report {
    Ready,
    /// The error number of the step that failed.
    Failed(i32),
}

impl Report {
    /// The next report; `None` if the pipe was closed: by the exec, or because the child is dead.
    pub(super) fn read(reports: &mut File) -> io::Result<Option<Self>> {
        let mut bytes = [0; 4];
        match reports.read_exact(&mut bytes) {
            Ok(()) => match i32::from_le_bytes(bytes) {
                0 => Ok(Some(Self::Ready)),
                errno => Ok(Some(Self::Failed(errno))),
            },
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub(super) struct Child<'a> {
    pub(super) image: &'a Image,
    pub(super) identity: Option<&'a Identity>,
    /// The signal mask to exec with.
    pub(super) mask: SigSet,
    /// The soft and the hard limit on open files to exec with, if they are not this process's.
    pub(super) open_files: Option<(u64, u64)>,
    pub(super) release: RawFd,
    /// The parent's end, to be closed so that the parent's death is noticed.
    pub(super) release_write: RawFd,
    pub(super) reports: RawFd,
}

impl Child<'_> {
    /// Never returns: execs or exits.
    pub(super) fn run(&self) -> ! {
        // SAFETY: closes a descriptor that nothing in this process uses.
        unsafe { libc::close(self.release_write) };
        let prepared = reset_handlers()
            .and_then(|()| self.open_files.map_or(Ok(()), limit_open_files))
            .and_then(|()| self.identity.map_or(Ok(()), become_user))
            .and_then(|()| pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None));
        let failure = match prepared {
            Ok(()) => {
                self.report(0);
                if !self.is_released() {
                    exit();
                }
                self.image.exec()
            }
            Err(error) => error,
        };
        self.report(failure as i32);
        exit()
    }

    // The two below go through the same function of the C library, so that the read takes no fault
    // on a page of code that the write has not touched: the parent counts faults in between.

    fn report(&self, errno: i32) {
        let bytes = errno.to_le_bytes();
        // SAFETY: `bytes` is valid for its length.
        unsafe { libc::syscall(libc::SYS_write, self.reports, bytes.as_ptr(), bytes.len()) };
    }

    /// Blocks until released, or until the parent has closed its end.
    fn is_released(&self) -> bool {
        let mut byte = [0_u8];
        loop {
            // SAFETY: `byte` is valid for writing one byte.
            let read = unsafe { libc::syscall(libc::SYS_read, self.release, byte.as_mut_ptr(), 1) };
            if read != -1 || Errno::last() != Errno::EINTR {
                return read == 1;
            }
        }
    }
}

fn exit() -> ! {
    // SAFETY: `_exit` runs no handlers and does not return.
    unsafe { libc::_exit(127) }
}

/// Gives signals with a handler their default action, as exec will; and SIGPIPE and SIGXFSZ,
/// which the Rust runtime and `main` ignore. What the tracer's own parent ignores stays ignored.
fn reset_handlers() -> Result<(), Errno> {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: a zeroed `sigaction` is valid, and this call only fills it in.
        let (mut action, known) = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let result = libc::sigaction(signal, ptr::null(), &raw mut action);
            (action, result == 0)
        };
        let is_handled = ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction);
        if known && (is_handled || [libc::SIGPIPE, libc::SIGXFSZ].contains(&signal)) {
            action.sa_sigaction = if was_ignored(signal) {
                libc::SIG_IGN
            } else {
                libc::SIG_DFL
            };
            // SAFETY: `action` is a valid action without a handler.
            Errno::result(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })?;
        }
    }
    Ok(())
}

fn limit_open_files((soft, hard): (u64, u64)) -> Result<(), Errno> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `limit` is valid, and the C library only passes it on.
    Errno::result(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(())
}

fn become_user(identity: &Identity) -> Result<(), Errno> {
    let groups = &identity.groups;
    // SAFETY: `groups` is valid for its length; the kernel's group ids are of the same type.
    Errno::result(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
    // SAFETY: plain system calls; with one thread the C library sends no signals for them.
    Errno::result(unsafe { libc::setgid(identity.gid) })?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::setuid(identity.uid) })?;
    Ok(())
}
