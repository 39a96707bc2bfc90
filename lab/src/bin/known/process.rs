//! Threads, children, names, and waiting.

use std::{
    ffi::{CString, OsString},
    io::{self, Read},
    process::{Command, Stdio, exit},
    sync::Barrier,
    thread,
    time::Duration,
};

use nix::{
    sys::wait::waitpid,
    unistd::{ForkResult, Uid, fork, setuid},
};

use crate::memory::Range;

/// Until told to go on.
pub(crate) fn wait() {
    eprintln!("ready");
    let mut byte = [0];
    if io::stdin().read_exact(&mut byte).is_err() {
        exit(0);
    }
}

/// Each thread touches its part of the range, when told to.
pub(crate) fn threads(threads: usize, range: &Range) {
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        for index in 0..threads {
            let part = range.part(index, threads);
            let start = &start;
            scope.spawn(move || {
                start.wait();
                part.touch();
            });
        }
        wait();
        start.wait();
    });
}

/// Each child touches the whole range.
pub(crate) fn forks(children: usize, range: &Range) {
    for _ in 0..children {
        // SAFETY: this thread is the only one, and the child ends without the runtime.
        match unsafe { fork() }.expect("forks") {
            ForkResult::Child => {
                range.touch();
                // SAFETY: ends the process, nothing else.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => {
                waitpid(child, None).expect("the child ends");
            }
        }
    }
}

/// Gives this thread a name; the kernel cuts it to 15 bytes.
pub(crate) fn rename(name: &[u8]) {
    let name = CString::new(name).expect("arguments have no NUL");
    // SAFETY: the name ends with a NUL.
    let failed = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    assert_eq!(failed, 0, "{}", io::Error::last_os_error());
}

/// Becomes another user, for good.
pub(crate) fn become_user(id: usize) {
    let id = u32::try_from(id).expect("a user id");
    setuid(Uid::from_raw(id)).expect("root may");
}

/// Becomes another user by the real id only, which leaves the rights to become another.
pub(crate) fn become_real_user(id: usize) {
    let id = u32::try_from(id).expect("a user id");
    // SAFETY: numbers only; -1 leaves an id as it is.
    let failed = unsafe { libc::syscall(libc::SYS_setreuid, id, -1) };
    assert_eq!(failed, 0, "{}", io::Error::last_os_error());
}

/// Leaves the CPU for a while.
pub(crate) fn pause() {
    thread::sleep(Duration::from_millis(5));
}

/// Runs a command and tells what wait4 says of its faults, and of those it waited for.
#[expect(clippy::zombie_processes, reason = "wait4 reaps it, and tells more")]
pub(crate) fn run(command: &[OsString]) {
    let [program, arguments @ ..] = command else {
        panic!("run what?");
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut status = 0;
    // SAFETY: plain data, which wait4 fills in.
    let (pid, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let pid = libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage);
        (pid, usage)
    };
    assert_eq!(pid, child.id().cast_signed());
    assert_eq!(status, 0, "the command failed");
    eprintln!("usage {} {}", usage.ru_minflt, usage.ru_majflt);
}
