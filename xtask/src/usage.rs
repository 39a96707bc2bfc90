//! What a child process took.

use std::{io, mem, os::unix::process::ExitStatusExt as _, process::ExitStatus};

/// What a child that has ended took, with the children that it waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time, ns.
    pub(crate) cpu_ns: u64,
    /// The largest resident set of any of them, bytes.
    pub(crate) peak_bytes: u64,
}

/// Waits for a child that nobody else waits for.
pub(crate) fn wait(pid: u32) -> io::Result<(ExitStatus, Usage)> {
    loop {
        if let Some(ended) = wait4(pid, 0)? {
            return Ok(ended);
        }
    }
}

/// The same at once; `None` while the child runs.
pub(crate) fn wait_now(pid: u32) -> io::Result<Option<(ExitStatus, Usage)>> {
    wait4(pid, libc::WNOHANG)
}

/// `None` if the child runs still, or a signal came first.
fn wait4(pid: u32, options: libc::c_int) -> io::Result<Option<(ExitStatus, Usage)>> {
    let mut status = 0;
    // SAFETY: numbers alone: all zeroes are a value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: places for the answers.
    match unsafe { libc::wait4(pid.cast_signed(), &raw mut status, options, &raw mut usage) } {
        0 => Ok(None),
        1.. => Ok(Some((ExitStatus::from_raw(status), usage.into()))),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => Ok(None),
            error => Err(error),
        },
    }
}

impl From<libc::rusage> for Usage {
    fn from(usage: libc::rusage) -> Self {
        Self {
            cpu_ns: ns(usage.ru_utime) + ns(usage.ru_stime),
            // Linux counts it in KiB.
            peak_bytes: usage.ru_maxrss.cast_unsigned() * 1024,
        }
    }
}

fn ns(time: libc::timeval) -> u64 {
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_usec.cast_unsigned() * 1_000
}
