//! Times, and what the kernel has counted for this process.

use std::{io, mem, time::Instant};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};

/// CLOCK_MONOTONIC, ns.
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: numbers alone: all zeroes are a value.
    let mut now: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: a place for the answer; the clock exists everywhere.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// ns that one of `count` takes.
pub(crate) fn ns_per(count: usize, mut work: impl FnMut(usize)) -> f64 {
    let began = Instant::now();
    (0..count).for_each(&mut work);
    ns_since(began) / count as f64
}

/// ns since then.
pub(crate) fn ns_since(began: Instant) -> f64 {
    began.elapsed().as_nanos() as f64
}

pub(crate) struct Usage {
    pub(crate) faults: u64,
    pub(crate) cpu_ns: u64,
}

impl Usage {
    pub(crate) fn of(who: UsageWho) -> io::Result<Self> {
        let usage = getrusage(who)?;
        let faults = usage.minor_page_faults() + usage.major_page_faults();
        Ok(Self {
            faults: faults.cast_unsigned(),
            cpu_ns: ns(usage.user_time()) + ns(usage.system_time()),
        })
    }

    /// Of this process and the children it has waited for.
    pub(crate) fn of_all() -> io::Result<Self> {
        let (own, children) = (
            Self::of(UsageWho::RUSAGE_SELF)?,
            Self::of(UsageWho::RUSAGE_CHILDREN)?,
        );
        Ok(Self {
            faults: own.faults + children.faults,
            cpu_ns: own.cpu_ns + children.cpu_ns,
        })
    }
}

fn ns(time: TimeVal) -> u64 {
    time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_usec().cast_unsigned() * 1_000
}
