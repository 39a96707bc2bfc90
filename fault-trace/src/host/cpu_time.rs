//! CPU time of other processes and threads, to the nanosecond: their CPU clocks.
//!
//! /proc/PID/stat has the same sums in ticks of 10 ms, and /proc/PID/schedstat that of one thread only.

/// The kernel's number of the CPU clock of something: see `include/uapi/linux/posix-timers_types.h`.
const CPUCLOCK_SCHED: libc::clockid_t = 2;
const CPUCLOCK_PERTHREAD: libc::clockid_t = 4;

/// User and system time of a process since its start, ns: of all its threads, exited ones included.
/// Still known of a zombie; `None` once it was waited for.
#[must_use]
pub fn of_process(pid: u32) -> Option<u64> {
    read(clock(pid, CPUCLOCK_SCHED)?)
}

/// User and system time of a thread since its start, ns. `None` if it is gone.
#[must_use]
pub fn of_thread(tid: u32) -> Option<u64> {
    read(clock(tid, CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD)?)
}

fn clock(id: u32, which: libc::clockid_t) -> Option<libc::clockid_t> {
    // Number 0 would be the caller itself.
    let id = libc::clockid_t::try_from(id).ok().filter(|&id| id > 0)?;
    Some((!id << 3) | which)
}

fn read(clock: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it fills in the struct, or fails for a clock that there is not.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return None;
    }
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let rest_ns = u64::try_from(time.tv_nsec).ok()?;
    Some(
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(rest_ns),
    )
}

#[cfg(test)]
mod tests {
    use std::{
        process::{self, Command, Stdio},
        thread,
    };

    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    use super::*;

    fn own_thread() -> u32 {
        nix::unistd::gettid().as_raw().cast_unsigned()
    }

    /// Until this thread's clock has moved on.
    fn burn() {
        let before = of_thread(own_thread()).expect("alive");
        while of_thread(own_thread()).expect("alive") < before + 2_000_000 {}
    }

    #[test]
    fn a_process_keeps_the_time_of_its_exited_threads() {
        let before = of_process(process::id()).expect("alive");
        let tid = thread::spawn(|| {
            burn();
            own_thread()
        })
        .join()
        .expect("ends");
        assert_eq!(of_thread(tid), None);
        assert!(of_process(process::id()).expect("alive") >= before + 2_000_000);
    }

    #[test]
    fn a_zombie_is_still_known_until_it_is_waited_for() {
        let mut child = Command::new("true")
            .stdout(Stdio::null())
            .spawn()
            .expect("starts");
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(pid), flags).expect("a child");
        assert!(of_process(child.id()).is_some_and(|time| time > 0));
        child.wait().expect("a child");
        assert_eq!(of_process(child.id()), None);
    }

    #[test]
    fn nobody_has_no_time() {
        assert_eq!((of_process(0), of_thread(0)), (None, None));
        assert_eq!(of_process(u32::MAX), None);
    }
}
