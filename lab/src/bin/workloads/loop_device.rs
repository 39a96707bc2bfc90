//! A disk that is a file: a loop device (`include/uapi/linux/loop.h`).

use std::{
    fs::{File, OpenOptions},
    os::fd::AsRawFd as _,
};

use anyhow::Context as _;
use nix::errno::Errno;

use crate::{restore::Restore, scenario::skip};

const LOOP_SET_FD: libc::c_ulong = 0x4C00;
const LOOP_CLR_FD: libc::c_ulong = 0x4C01;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4C82;

/// A device that is free, and given back when this is dropped. To be had before any thread is started.
pub(crate) struct LoopDevice {
    device: File,
    _restore: Restore,
}

impl LoopDevice {
    pub(crate) fn free() -> anyhow::Result<Self> {
        let Ok(control) = File::open("/dev/loop-control") else {
            return skip("there is no /dev/loop-control");
        };
        // SAFETY: it takes no argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        let Ok(number) = Errno::result(number) else {
            return skip("no loop device is free");
        };
        let path = format!("/dev/loop{number}");
        let device = match OpenOptions::new().read(true).open(&path) {
            Ok(device) => device,
            Err(error) => return skip(format!("cannot open {path}: {error}")),
        };
        let to_clear = device.try_clone()?;
        let restore = Restore::with(move || {
            // It may not be attached, or be cleared when the last mapping goes.
            // SAFETY: it takes no argument.
            unsafe { libc::ioctl(to_clear.as_raw_fd(), LOOP_CLR_FD) };
        })?;
        Ok(Self {
            device,
            _restore: restore,
        })
    }

    /// Makes `file` the disk, and opens it.
    pub(crate) fn attach(&self, file: &File) -> anyhow::Result<File> {
        let (device, file) = (self.device.as_raw_fd(), file.as_raw_fd());
        // SAFETY: its argument is a file descriptor.
        Errno::result(unsafe { libc::ioctl(device, LOOP_SET_FD, file) })
            .context("cannot attach a file to a loop device")?;
        Ok(self.device.try_clone()?)
    }
}
