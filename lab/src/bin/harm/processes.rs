//! Processes that are many, or not where one looks for them.

use std::{io, os::fd::AsRawFd};

use nix::{
    errno::Errno,
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, Pid, fork, pipe, read, setsid},
};

use crate::memory;

/// Pages that each process here touches.
const PAGES: usize = 5;

/// Runs something in a child, and ends that with what it returns.
pub(crate) fn child(work: impl FnOnce() -> i32) -> Pid {
    // SAFETY: this thread is the only one, and the child ends without the runtime.
    match unsafe { fork() }.expect("forks") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => exit(work()),
    }
}

fn exit(status: i32) -> ! {
    // SAFETY: ends the process, nothing else.
    unsafe { libc::_exit(status) }
}

/// Waits for it, and for its success.
pub(crate) fn succeeds(child: Pid) {
    let ended = waitpid(child, None).expect("a child");
    assert_eq!(ended, WaitStatus::Exited(child, 0));
}

/// A session of its own, then a child that cannot get a terminal; each waits for the next.
pub(crate) fn daemonise() {
    succeeds(child(|| {
        setsid().expect("no leader of a group yet");
        succeeds(child(|| {
            memory::touch(PAGES);
            0
        }));
        0
    }));
}

/// All live until the last one is there.
pub(crate) fn bomb(count: usize) {
    let (reader, writer) = pipe().expect("a pipe");
    let children: Vec<Pid> = (0..count)
        .map(|_| {
            child(|| {
                memory::touch(PAGES);
                // The end of the pipe comes when nobody can write to it: the parent holds it longest.
                // SAFETY: this process has one thread, and uses the descriptor no more.
                unsafe { libc::close(writer.as_raw_fd()) };
                i32::from(read(&reader, &mut [0]) != Ok(0))
            })
        })
        .collect();
    drop(writer);
    children.into_iter().for_each(succeeds);
}

/// Each process forks the next, and waits for it.
pub(crate) fn chain(length: usize) {
    if length == 0 {
        return;
    }
    memory::touch(PAGES);
    succeeds(child(|| {
        chain(length - 1);
        0
    }));
}

/// Children of its parent: whoever launched it waits for them, or does not.
pub(crate) fn adopted(count: usize) {
    let (reader, writer) = pipe().expect("a pipe");
    for _ in 0..count {
        let flags = libc::CLONE_PARENT | libc::SIGCHLD;
        // SAFETY: as a fork: no stack of its own, and this thread is the only one.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        match pid {
            0 => {
                memory::touch(PAGES);
                exit(0);
            }
            -1 => panic!("clone: {}", io::Error::last_os_error()),
            _ => {}
        }
    }
    drop(writer);
    // The end of the pipe comes when all of them have ended.
    let mut byte = [0];
    assert_eq!(read(&reader, &mut byte), Ok(0));
}

/// Children whose parent ends at once; they end when this process says so, before it does itself.
pub(crate) fn orphans(count: usize) {
    // SAFETY: a flag of this process: it waits for what its children leave behind.
    let failed = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    assert_eq!(failed, 0, "{}", io::Error::last_os_error());
    for _ in 0..count {
        child(|| {
            child(|| {
                memory::touch(PAGES);
                0
            });
            0
        });
    }
    let mut ended = 0;
    while ended < 2 * count {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(_, 0)) => ended += 1,
            Err(Errno::EINTR) => {}
            other => panic!("{other:?}"),
        }
    }
}
