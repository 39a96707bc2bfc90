//! Standard output as a run writes to it: a reader that does not read cannot hold up the end of the
//! run.

use std::{
    io::{self, Write},
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::stat::{SFlag, fstat},
    unistd,
};

use crate::host::signals;

/// As much as a pipe takes without blocking once it is writable (`PIPE_BUF`).
const PIPE_BYTES: usize = 4096;
/// How long a reader may still take once an end was asked for.
const GRACE: Duration = Duration::from_secs(1);
/// How often a signal is looked for while nobody reads.
const LOOK_EVERY_MS: u8 = 100;

/// Standard output without a buffer. While nobody reads, a write waits; once the run is asked to end
/// it waits for a second, and fails.
#[derive(Debug)]
pub(crate) struct PatientStdout {
    /// Bytes a write has at most.
    at_once: usize,
}

impl PatientStdout {
    pub(crate) fn new() -> Self {
        let is_file = |stat: &nix::sys::stat::FileStat| {
            SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG
        };
        let at_once = match fstat(io::stdout()) {
            Ok(stat) if is_file(&stat) => usize::MAX,
            _ => PIPE_BYTES,
        };
        Self { at_once }
    }
}

impl Write for PatientStdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let out = io::stdout();
        let bytes = &bytes[..bytes.len().min(self.at_once)];
        let mut asked_at = None;
        loop {
            if is_writable(&out)? {
                match unistd::write(&out, bytes) {
                    // Whoever shares it made it non-blocking, and was faster.
                    Err(Errno::EAGAIN | Errno::EINTR) => {}
                    written => return Ok(written?),
                }
            }
            if signals::asked() {
                let asked_at = asked_at.get_or_insert_with(Instant::now);
                if asked_at.elapsed() >= GRACE {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "no process reads it",
                    ));
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits for a moment until a write would not block. What is wrong with it is left to the write.
fn is_writable(out: &io::Stdout) -> io::Result<bool> {
    let mut descriptors = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut descriptors, PollTimeout::from(LOOK_EVERY_MS)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
