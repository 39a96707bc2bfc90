//! What a process may change of itself.

use std::{fs, io};

/// Closes every descriptor, those that it knows nothing of included.
pub(crate) fn close_all() {
    // SAFETY: what uses a descriptor after this, a message of a panic, fails without harm.
    let failed = unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) };
    assert_eq!(failed, 0, "close_range: {}", io::Error::last_os_error());
}

/// Sets the limits to nothing: of open files, file sizes, processes, locked memory, core files and so on.
/// Without memory, stack and CPU time it could not go on.
pub(crate) fn limit_all() {
    let limits = [
        libc::RLIMIT_FSIZE,
        libc::RLIMIT_CORE,
        libc::RLIMIT_NPROC,
        libc::RLIMIT_NOFILE,
        libc::RLIMIT_MEMLOCK,
        libc::RLIMIT_LOCKS,
        libc::RLIMIT_SIGPENDING,
        libc::RLIMIT_MSGQUEUE,
        libc::RLIMIT_NICE,
        libc::RLIMIT_RTPRIO,
        libc::RLIMIT_RTTIME,
    ];
    let nothing = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    for limit in limits {
        // SAFETY: the structure is valid. That lowering fails is impossible.
        let failed = unsafe { libc::setrlimit(limit, &raw const nothing) };
        assert_eq!(failed, 0, "limit {limit}: {}", io::Error::last_os_error());
    }
}

/// Raises its score: everybody may.
pub(crate) fn offer_to_the_oom_killer() {
    fs::write("/proc/self/oom_score_adj", "1000").expect("everybody may");
}

/// Renames the thread, over and over.
pub(crate) fn rename(times: usize) {
    let names = [
        c"\x1b[2J\x1b]0;t\x07",
        c"a\rb\nc\x08\xff\xfe",
        c"\xe2\x80\xae\xc2\x9b1m",
        c") R 1 1 1",
        c"",
        c"\\,\"'`|<&>",
    ];
    for name in names.iter().cycle().take(times) {
        // SAFETY: the name ends with a NUL.
        let failed = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
        assert_eq!(failed, 0, "{}", io::Error::last_os_error());
    }
}
