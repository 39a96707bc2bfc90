//! Child processes, and how they wait for their parent.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::AtomicUsize,
};

use anyhow::{Context as _, bail, ensure};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{
        mman::MapFlags,
        prctl,
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork, pipe, read, write},
};

use crate::{
    memory::{Pages, READ_WRITE},
    scenario::skip,
    warm,
};

/// How long anything may take that should happen at once, ms.
const PATIENCE_MS: u16 = 30_000;

/// A forked process.
pub(crate) struct Child(Pid);

impl Child {
    /// Forks; the child does `work` on a warmed-up address space and exits.
    pub(crate) fn start(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Self> {
        // SAFETY: the callers have one thread, or another that only waits for a signal; so no lock is
        // held, and the child may do what the parent may.
        match unsafe { fork() }.context("fork")? {
            ForkResult::Parent { child } => {
                // The fork has write-protected the program's own pages as well.
                warm::again();
                Ok(Self(child))
            }
            ForkResult::Child => {
                let done = catch_unwind(AssertUnwindSafe(|| {
                    prctl::set_pdeathsig(Signal::SIGKILL)?;
                    warm::again();
                    work()
                }));
                let status = match done {
                    Ok(Ok(())) => 0,
                    Ok(Err(error)) => {
                        eprintln!("workloads: child: {error:#}");
                        1
                    }
                    Err(_) => 1,
                };
                // SAFETY: ends the child at once: the guards on its stack are the parent's to drop.
                unsafe { libc::_exit(status) }
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.as_raw().unsigned_abs()
    }

    pub(crate) const fn pid(&self) -> Pid {
        self.0
    }

    /// Waits for the child; an error unless it succeeded.
    pub(crate) fn join(self) -> anyhow::Result<()> {
        match self.wait()? {
            WaitStatus::Exited(_, 0) => Ok(()),
            status => bail!("a child failed: {status:?}"),
        }
    }

    /// Waits for the child's end, whatever it is.
    pub(crate) fn wait(self) -> anyhow::Result<WaitStatus> {
        waitpid(self.0, None).context("waitpid")
    }
}

/// A one-way signal between processes: one opens what the other waits at.
pub(crate) struct Gate {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Gate {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let (reader, writer) = pipe().context("pipe")?;
        Ok(Self { reader, writer })
    }

    pub(crate) fn open(&self) -> anyhow::Result<()> {
        write(&self.writer, &[1]).context("cannot open a gate")?;
        Ok(())
    }

    pub(crate) fn wait(&self) -> anyhow::Result<()> {
        let mut polled = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut polled, PollTimeout::from(PATIENCE_MS)).context("poll")?;
        ensure!(ready == 1, "the other process did not answer in time");
        read(&self.reader, &mut [0]).context("cannot wait at a gate")?;
        Ok(())
    }
}

/// A word that a process shares with the children it starts after.
pub(crate) fn shared_word() -> anyhow::Result<&'static AtomicUsize> {
    let page = Pages::map_anonymous(1, READ_WRITE, MapFlags::MAP_SHARED)?;
    // SAFETY: mapped for good, aligned, and zero is a valid value.
    Ok(unsafe { AtomicUsize::from_ptr(page.pointer().as_ptr().cast()) })
}

/// The CPUs this thread may run on.
pub(crate) fn cpus() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("sched_getaffinity")?;
    Ok((0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect())
}

/// Two CPUs this thread may run on.
pub(crate) fn two_cpus() -> anyhow::Result<[usize; 2]> {
    match cpus()?[..] {
        [first, second, ..] => Ok([first, second]),
        _ => skip("there is one CPU only"),
    }
}

/// Moves a thread to a CPU; id 0 is the caller.
pub(crate) fn pin(tid: Pid, cpu: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    sched_setaffinity(tid, &set).context("sched_setaffinity")
}

/// Keeps this thread, and the children it starts, on one CPU. A fresh page may wait in its CPU's
/// list of pages to put on the LRU, which holds a reference: the copy-on-write fault drains its own
/// CPU's list only, and takes a page in another CPU's list for shared (`wp_can_reuse_anon_folio`).
pub(crate) fn pin_to_one_cpu() -> anyhow::Result<()> {
    let cpus = cpus()?;
    pin(Pid::from_raw(0), *cpus.first().context("no CPU")?)
}
