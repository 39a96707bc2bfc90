//! Waiting until a thread is really off its CPU, asleep in a known state.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::ensure;

/// How long a thread may take to fall asleep.
const PATIENCE: Duration = Duration::from_secs(20);

/// Uninterruptible: waiting for a page or a device.
pub(crate) const UNINTERRUPTIBLE: char = 'D';
/// Interruptible: waiting for the owner of a userfaultfd.
pub(crate) const INTERRUPTIBLE: char = 'S';

/// Waits until the thread sleeps in `state`.
pub(crate) fn until_asleep(tid: u32, state: char) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !asleep(tid, state)? {
        ensure!(
            Instant::now() < deadline,
            "thread {tid} did not fall asleep in state {state}"
        );
        std::thread::yield_now();
    }
    Ok(())
}

/// The state alone is set before the thread leaves its CPU; only a thread that has left shows what
/// it is blocked in (`task_current_syscall`), and that is -1 outside system calls.
fn asleep(tid: u32, state: char) -> anyhow::Result<bool> {
    let stat = fs::read_to_string(format!("/proc/{tid}/stat"))?;
    let found = stat
        .rsplit_once(") ")
        .and_then(|(_, fields)| fields.chars().next());
    let blocked = fs::read_to_string(format!("/proc/{tid}/syscall"))?;
    Ok(found == Some(state) && !blocked.starts_with("running"))
}
