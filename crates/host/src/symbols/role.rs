//! Going on as a helper, where this program was started as one.

use std::{
    ffi::OsStr,
    os::fd::{FromRawFd as _, OwnedFd},
};

use super::{
    channel::Channel,
    helper::{Role, SOCKET},
    opener, reader,
};
use crate::signals;

/// Runs as a helper if the program was started as one, and does not return then. To be called before
/// anything else.
pub fn run_if_helper() {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(name), None) = (arguments.next(), arguments.next()) else {
        return;
    };
    let is = |role: Role| name == OsStr::new(role.name());
    if !is(Role::Opener) && !is(Role::Reader) {
        return;
    }
    for ignored in signals::ending() {
        // SAFETY: no handler is set.
        unsafe { libc::signal(ignored.number, libc::SIG_IGN) };
    }
    // What is caught is a mistake in a file; what is not ends the helper, which is told of elsewhere.
    std::panic::set_hook(Box::new(|_| {}));
    // SAFETY: only asks about the descriptor.
    if unsafe { libc::fcntl(SOCKET, libc::F_GETFD) } == -1 {
        std::process::exit(2);
    }
    // SAFETY: whoever starts a helper puts the connection there, and nothing else uses it.
    let channel = Channel::from_fd(unsafe { OwnedFd::from_raw_fd(SOCKET) });
    if is(Role::Opener) {
        opener::run(channel);
    } else {
        reader::run(&channel);
    }
    std::process::exit(0);
}
