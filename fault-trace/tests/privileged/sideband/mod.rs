//! The kernel's sideband, for real.

mod mappings;
mod recorded;
mod rings;
mod tasks;

use crate::support::is_root;

/// The CPUs that are online.
fn online_cpus() -> Vec<u32> {
    aya::util::online_cpus().expect("/sys tells")
}

fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a timespec to write to.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    assert_eq!(failed, 0);
    (now.tv_sec * 1_000_000_000 + now.tv_nsec).cast_unsigned()
}
