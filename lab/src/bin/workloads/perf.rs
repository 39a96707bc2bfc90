//! Perf counters of the calling thread: the exceptions themselves, for the self-check.

use std::{
    fs::File,
    io::Read as _,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::Context as _;
use nix::errno::Errno;
use perf_event_open_sys::{bindings, perf_event_open};

use crate::syscall::detached_mount;

/// A counter of this thread that runs from its making.
pub(crate) struct Counter(File);

impl Counter {
    /// The software event `page-faults`: user addresses that the handler accepted.
    pub(crate) fn confirmed() -> anyhow::Result<Self> {
        Self::open(
            bindings::PERF_TYPE_SOFTWARE,
            u64::from(bindings::PERF_COUNT_SW_PAGE_FAULTS),
        )
    }

    /// The tracepoint `exceptions:NAME`.
    pub(crate) fn exception(name: &str) -> anyhow::Result<Self> {
        Self::open(bindings::PERF_TYPE_TRACEPOINT, tracepoint(name)?)
    }

    fn open(kind: u32, config: u64) -> anyhow::Result<Self> {
        let mut attributes = bindings::perf_event_attr {
            type_: kind,
            size: u32::try_from(size_of::<bindings::perf_event_attr>())?,
            config,
            ..Default::default()
        };
        // SAFETY: the attributes are valid; -1 asks for any CPU and for no group.
        let fd = Errno::result(unsafe { perf_event_open(&raw mut attributes, 0, -1, -1, 0) })
            .context("perf_event_open; it needs CAP_PERFMON")?;
        // SAFETY: the kernel has just made the descriptor for us.
        Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    pub(crate) fn read(&self) -> u64 {
        let mut value = [0; 8];
        match (&self.0).read_exact(&mut value) {
            Ok(()) => u64::from_ne_bytes(value),
            Err(_) => 0,
        }
    }
}

/// The number of a tracepoint, from an instance of tracefs that is mounted nowhere.
fn tracepoint(name: &str) -> anyhow::Result<u64> {
    let mount = detached_mount("tracefs", &[]).context("tracefs")?;
    let path = format!(
        "/proc/self/fd/{}/events/exceptions/{name}/id",
        mount.as_raw_fd()
    );
    let text = std::fs::read_to_string(&path).with_context(|| path)?;
    Ok(text.trim().parse()?)
}
