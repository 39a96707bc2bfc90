//! System calls that return a descriptor, and that no library here wraps.

use std::{
    ffi::CString,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::Context as _;
use nix::errno::Errno;

/// Makes a file system that is mounted nowhere and gone with the descriptor (`fsmount(2)`).
pub(crate) fn detached_mount(kind: &str, options: &[(&str, &str)]) -> anyhow::Result<OwnedFd> {
    const SET_STRING: libc::c_int = 1;
    const CREATE: libc::c_int = 6;
    let context = descriptor(|| {
        let kind = CString::new(kind)?;
        // SAFETY: a NUL-terminated string and no flags.
        Ok(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 0) })
    })
    .context("fsopen")?;
    let configure = |command: libc::c_int, key: Option<&CString>, value: Option<&CString>| {
        let text = |text: Option<&CString>| text.map_or(std::ptr::null(), |text| text.as_ptr());
        // SAFETY: NUL-terminated strings or null, as the command wants.
        Errno::result(unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                command,
                text(key),
                text(value),
                0,
            )
        })
        .context("fsconfig")
    };
    for (key, value) in options {
        configure(
            SET_STRING,
            Some(&CString::new(*key)?),
            Some(&CString::new(*value)?),
        )?;
    }
    configure(CREATE, None, None)?;
    descriptor(|| {
        // SAFETY: a valid descriptor and no flags.
        Ok(unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 0, 0) })
    })
    .context("fsmount")
}

/// The descriptor that a system call returned.
pub(crate) fn descriptor(
    call: impl FnOnce() -> anyhow::Result<libc::c_long>,
) -> anyhow::Result<OwnedFd> {
    let fd = i32::try_from(Errno::result(call()?)?)?;
    // SAFETY: the kernel has just made the descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
