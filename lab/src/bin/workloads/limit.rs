//! An end to a scenario that hangs.

use anyhow::Context as _;
use nix::errno::Errno;

/// Far more than any scenario takes in an emulated machine, seconds.
const LIMIT: libc::time_t = 300;

/// Has this process get SIGTERM when the time is up, which undoes what has to be undone.
pub(crate) fn set() -> anyhow::Result<()> {
    // SAFETY: all-zero is a valid value of these structures.
    let (mut event, mut time): (libc::sigevent, libc::itimerspec) = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGTERM;
    time.it_value.tv_sec = LIMIT;
    let mut timer = std::ptr::null_mut();
    // SAFETY: valid pointers to all that is read and written.
    unsafe {
        Errno::result(libc::timer_create(
            libc::CLOCK_MONOTONIC,
            &raw mut event,
            &raw mut timer,
        ))
        .context("timer_create")?;
        Errno::result(libc::timer_settime(
            timer,
            0,
            &raw const time,
            std::ptr::null_mut(),
        ))
        .context("timer_settime")?;
    }
    Ok(())
}
