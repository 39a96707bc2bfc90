//! Faults without an exception: the kernel touches the memory itself, in one system call.
//!
//! "moved MINOR MAJOR" tells by how much the thread's own counters grew in that call.

use std::{
    ffi::c_void,
    fs::{self, File},
    io::{self, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr, thread,
};

use nix::{
    sys::{signal::Signal, wait::waitpid},
    unistd::{ForkResult, fork},
};

use crate::address::PAGE;

const READ: i32 = libc::PROT_READ;
const WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
const POPULATE: i32 = libc::MAP_POPULATE;
const HUGE: usize = 2 << 20;

/// The thread's own minor and major faults.
fn counters() -> (i64, i64) {
    // SAFETY: plain data, which the call fills in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage), 0);
        usage
    };
    (usage.ru_minflt, usage.ru_majflt)
}

/// Makes one system call, and tells what the thread's counters moved in it.
fn measured<T>(call: impl FnOnce() -> T) -> T {
    // The code and the stack that the call and the measuring need are there then: no exception is in between.
    read_own_code();
    counters();
    let before = counters();
    let result = call();
    let after = counters();
    eprintln!("moved {} {}", after.0 - before.0, after.1 - before.1);
    result
}

/// Reads a byte of each page of the code of this program and its libraries.
fn read_own_code() {
    let maps = fs::read_to_string("/proc/self/maps").expect("readable");
    for line in maps
        .lines()
        .filter(|line| line.contains(" r-xp ") && line.contains('/'))
    {
        let (start, rest) = line.split_once('-').expect("a range");
        let end = rest.split(' ').next().unwrap_or_default();
        let number = |text| usize::from_str_radix(text, 16).expect("an address");
        for page in (number(start)..number(end)).step_by(PAGE) {
            // SAFETY: mapped and readable; nobody unmaps code.
            unsafe { ptr::read_volatile(ptr::with_exposed_provenance::<u8>(page)) };
        }
    }
}

fn map(pages: usize, protection: i32, flags: i32, file: Option<&File>) -> *mut c_void {
    let fd = file.map_or(-1, AsRawFd::as_raw_fd);
    // SAFETY: a new mapping, wherever there is room.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), pages * PAGE, protection, flags, fd, 0) };
    assert_ne!(mapped, libc::MAP_FAILED, "{}", io::Error::last_os_error());
    mapped
}

fn succeeded(result: i64) {
    assert!(result >= 0, "{}", io::Error::last_os_error());
}

/// Writes to each page.
fn touch(start: *mut c_void, pages: usize) {
    for page in 0..pages {
        // SAFETY: the page is mapped, and may be written to.
        unsafe { start.cast::<u8>().add(page * PAGE).write_volatile(1) };
    }
}

fn lock(start: *mut c_void, pages: usize) {
    // SAFETY: the pages are mapped.
    succeeded(unsafe { libc::mlock(start, pages * PAGE) }.into());
}

fn protect(start: *mut c_void, pages: usize, protection: i32) {
    // SAFETY: the pages are mapped, and nobody uses them.
    succeeded(unsafe { libc::mprotect(start, pages * PAGE, protection) }.into());
}

/// A file in memory, or on the disk that temporary files are on, all of it in the page cache.
fn file(pages: usize, in_memory: bool) -> File {
    let mut file = if in_memory {
        // SAFETY: the name ends with a NUL; the descriptor is nobody else's.
        unsafe {
            let fd = libc::memfd_create(c"known".as_ptr(), 0);
            succeeded(fd.into());
            File::from(OwnedFd::from_raw_fd(fd))
        }
    } else {
        // Not in memory, as /tmp may be.
        tempfile::tempfile_in("/var/tmp").expect("a file")
    };
    file.write_all(&vec![1; pages * PAGE]).expect("written");
    file
}

/// What a child does; it ends well.
fn in_child(act: impl FnOnce()) {
    // SAFETY: the child ends without the runtime. Threads beside this one only wait.
    match unsafe { fork() }.expect("forks") {
        ForkResult::Child => {
            act();
            // SAFETY: ends the process, nothing else.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            waitpid(child, None).expect("a child");
        }
    }
}

/// Writes into untouched memory of a child.
fn write_into_child(pages: usize) {
    let theirs = map(pages, WRITE, PRIVATE, None);
    let ours = vec![7_u8; pages * PAGE];
    // SAFETY: the child only waits for its end.
    let child = match unsafe { fork() }.expect("forks") {
        ForkResult::Child => loop {
            // SAFETY: no arguments to get wrong.
            unsafe { libc::pause() };
        },
        ForkResult::Parent { child } => child,
    };
    let part = |start: *mut c_void| libc::iovec {
        iov_base: start,
        iov_len: pages * PAGE,
    };
    let (local, remote) = (part(ours.as_ptr().cast_mut().cast()), part(theirs));
    let written = measured(|| {
        // SAFETY: both are mapped, the one here, the other there.
        unsafe {
            libc::process_vm_writev(child.as_raw(), &raw const local, 1, &raw const remote, 1, 0)
        }
    });
    succeeded(written as i64);
    nix::sys::signal::kill(child, Signal::SIGKILL).expect("it waits");
    waitpid(child, None).expect("a child");
}

/// Has the kernel take faults without an exception, of a kind.
pub(crate) fn silent(kind: &[u8], pages: usize) {
    match kind {
        b"private" => {
            measured(|| map(pages, WRITE, PRIVATE | POPULATE, None));
        }
        b"shared" => {
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | POPULATE;
            measured(|| map(pages, WRITE, flags, None));
        }
        b"memfd" => {
            let file = file(0, true);
            file.set_len((pages * PAGE) as u64).expect("grows");
            measured(|| map(pages, WRITE, libc::MAP_SHARED | POPULATE, Some(&file)));
        }
        b"zero" => {
            measured(|| map(pages, READ, PRIVATE | POPULATE, None));
        }
        b"mlock" => {
            let start = map(pages, WRITE, PRIVATE, None);
            touch(start, pages);
            in_child(|| measured(|| lock(start, pages)));
        }
        b"file-private" => {
            let file = file(pages, false);
            measured(|| map(pages, WRITE, libc::MAP_PRIVATE | POPULATE, Some(&file)));
        }
        b"file-shared" => {
            let file = file(pages, false);
            measured(|| map(pages, READ, libc::MAP_SHARED | POPULATE, Some(&file)));
        }
        b"huge" => {
            let start = map(2 * HUGE / PAGE, WRITE, PRIVATE, None);
            let start = start.map_addr(|start| start.next_multiple_of(HUGE));
            // SAFETY: the pages are mapped. A kernel without huge pages has no such advice to take.
            unsafe { libc::madvise(start, HUGE, libc::MADV_HUGEPAGE) };
            measured(|| {
                // SAFETY: the pages are mapped, and hold nothing.
                succeeded(unsafe { libc::madvise(start, HUGE, libc::MADV_POPULATE_WRITE) }.into());
            });
        }
        b"locked" => {
            let start = measured(|| map(pages, WRITE, PRIVATE | POPULATE, None));
            protect(start, pages, READ);
            protect(start, pages, WRITE);
            measured(|| lock(start, pages));
        }
        b"remote" => write_into_child(pages),
        _ => panic!("no such kind: {}", String::from_utf8_lossy(kind)),
    }
}

/// The same in several threads at once.
pub(crate) fn silent_threads(threads: usize, kind: &[u8], pages: usize) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| silent(kind, pages));
        }
    });
}

/// Populates and unmaps, again and again, and takes no exception for it.
pub(crate) fn silent_for_ever(pages: usize) -> ! {
    loop {
        let start = map(pages, WRITE, PRIVATE | POPULATE, None);
        // SAFETY: mapped just now, and nobody's.
        succeeded(unsafe { libc::munmap(start, pages * PAGE) }.into());
    }
}
