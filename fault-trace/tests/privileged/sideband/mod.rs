//! The kernel's sideband, for real.

mod mappings;
mod rings;

use nix::unistd::geteuid;

fn is_root() -> bool {
    let root = geteuid().is_root();
    if !root {
        eprintln!("SKIPPED, NOTHING WAS TESTED: the perf sideband of all CPUs needs root");
    }
    root
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
