//! CPU time of other processes and threads, to the nanosecond.
//!
//! A process has a CPU clock, which knows its exited threads, too; /proc/PID/stat has the same in ticks of
//! 10 ms. The clock of a thread is only for its own process; others have /proc/PID/task/TID/schedstat.

use std::fs;

use super::proc::Proc;

/// The kernel's number of the CPU clock of something: see `include/uapi/linux/posix-timers_types.h`.
const CPUCLOCK_SCHED: libc::clockid_t = 2;

/// User and system time of a process since its start, ns: of all its threads, exited ones included.
/// Still known of a zombie; `None` once it was waited for.
#[must_use]
pub fn of_process(pid: u32) -> Option<u64> {
    // Number 0 would be the caller itself.
    let pid = libc::clockid_t::try_from(pid).ok().filter(|&pid| pid > 0)?;
    read((!pid << 3) | CPUCLOCK_SCHED)
}

/// User and system time of a thread since its start, ns; while it runs, as of the last tick. `None` if
/// it is gone, or the kernel has no such statistics.
#[must_use]
pub fn of_thread(proc: &Proc, pid: u32, tid: u32) -> Option<u64> {
    let path = proc.path(&format!("{pid}/task/{tid}/schedstat"));
    let text = fs::read_to_string(path).ok()?;
    text.split_whitespace().next()?.parse().ok()
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

    /// Until this process's clock has moved on by 2 ms.
    fn burn() {
        let before = of_process(process::id()).expect("alive");
        while of_process(process::id()).expect("alive") < before + 2_000_000 {}
    }

    #[test]
    fn a_process_keeps_the_time_of_its_exited_threads() {
        let before = of_process(process::id()).expect("alive");
        thread::spawn(burn).join().expect("ends");
        assert!(of_process(process::id()).expect("alive") >= before + 2_000_000);
    }

    #[test]
    fn a_thread_has_less_than_its_process() {
        let tid = nix::unistd::gettid().as_raw().cast_unsigned();
        let proc = Proc::default();
        burn();
        if let Some(thread_ns) = of_thread(&proc, process::id(), tid) {
            assert!(thread_ns <= of_process(process::id()).expect("alive"));
        }
        assert_eq!(of_thread(&proc, process::id(), u32::MAX), None);
    }

    #[test]
    fn the_first_number_of_schedstat_counts() {
        let root = tempfile::TempDir::new().expect("temporary directory");
        let folder = root.path().join("7/task/8");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("schedstat"), "123456789 42 3\n").expect("a file");
        let proc = Proc::new(root.path());
        assert_eq!(of_thread(&proc, 7, 8), Some(123_456_789));
        fs::write(folder.join("schedstat"), "").expect("a file");
        assert_eq!(of_thread(&proc, 7, 8), None);
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
        assert_eq!(of_process(0), None);
        assert_eq!(of_process(u32::MAX), None);
    }
}
