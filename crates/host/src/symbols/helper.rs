//! The helper processes: this program again, started under a name that no command has.
//!
//! A helper has one connection to the process that started it, at [`SOCKET`], no other file, and a
//! session of its own, so that what the terminal sends does not reach it. It ends when the other end of
//! the connection is gone, and the reader with its parent, too.

use std::{
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, RawFd},
        unix::process::CommandExt as _,
    },
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::unistd::setsid;

use super::channel::Channel;

/// The connection of a helper.
pub(super) const SOCKET: RawFd = 3;
/// What else a helper is given.
pub(super) const GIFT: RawFd = 4;

/// What a helper does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Opener,
    Reader,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Opener => "--fault-trace-opener",
            Self::Reader => "--fault-trace-reader",
        }
    }
}

/// Starts the reader with its end of a connection, and `gift` at [`GIFT`].
pub(super) fn start_reader(
    program: &Path,
    channel: &Channel,
    gift: Option<BorrowedFd<'_>>,
) -> io::Result<Child> {
    let mut command = command(program, Role::Reader, channel, gift);
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(die_with_parent) };
    command.spawn()
}

/// Starts the opener with its end of a connection. It is no child of this process: whoever waits for all
/// of its children must not meet it, and its faults count for nobody.
pub(super) fn start_opener(program: &Path, channel: &Channel) -> io::Result<()> {
    let mut command = command(program, Role::Opener, channel, None);
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(be_orphaned) };
    command.spawn()?.wait().map(drop)
}

/// Goes on in a child; the process itself ends.
fn be_orphaned() -> io::Result<()> {
    // SAFETY: the new process has one thread, as this one, and goes on as this one would.
    match checked(unsafe { libc::fork() })? {
        0 => Ok(()),
        // SAFETY: ends the process at once.
        _ => unsafe { libc::_exit(0) },
    }
}

fn command(program: &Path, role: Role, channel: &Channel, gift: Option<BorrowedFd<'_>>) -> Command {
    use std::os::fd::AsFd as _;
    let socket = channel.as_fd().as_raw_fd();
    let gift = gift.map(|gift| gift.as_raw_fd());
    let mut command = Command::new(program);
    command
        .arg0("fault-trace")
        .arg(role.name())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let arrange = move || {
        // Above both places, so that neither is overwritten before it is moved.
        let high = |fd| dup(fd, GIFT + 1);
        let (socket, gift) = (high(socket)?, gift.map(high).transpose()?);
        place(socket, SOCKET)?;
        if let Some(gift) = gift {
            place(gift, GIFT)?;
        }
        let first = if gift.is_some() { GIFT + 1 } else { SOCKET + 1 };
        close_others(first)?;
        let _ = setsid();
        Ok(())
    };
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(arrange) };
    command
}

/// Has the kernel end this process with the thread that started it. Holds until its ids change.
pub(super) fn die_with_parent() -> io::Result<()> {
    // SAFETY: changes a number of this process.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

fn dup(fd: RawFd, from: RawFd) -> io::Result<RawFd> {
    // SAFETY: makes a descriptor that nobody else knows.
    checked(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, from) })
}

/// Puts a descriptor where the helper expects it, open across exec.
fn place(fd: RawFd, at: RawFd) -> io::Result<()> {
    // SAFETY: in the new process nothing else uses that place.
    checked(unsafe { libc::dup2(fd, at) }).map(drop)
}

/// Closes all from there on, at exec: the one that tells of its failure is among them.
fn close_others(first: RawFd) -> io::Result<()> {
    let (first, last) = (first.cast_unsigned(), u32::MAX);
    // SAFETY: in the new process nothing uses them after exec.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            last,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if done == 0 {
        return Ok(());
    }
    // Before Linux 5.11.
    for fd in first..1 << 16 {
        // SAFETY: as above.
        unsafe { libc::fcntl(fd.cast_signed(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
