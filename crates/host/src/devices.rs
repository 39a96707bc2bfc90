//! Which devices hold shared memory and huge pages: mounted file systems, and the kernel's own
//! internal mounts, which a probe finds.

use std::{fs::File, io::BufReader, os::fd::AsFd as _};

use nix::sys::{
    memfd::{MFdFlags, memfd_create},
    stat::{fstat, major, minor},
};

use crate::proc::Proc;
use fault_trace_model::mapping::{Device, Devices};

/// The devices as of now. What cannot be read is missing: mappings of it are taken for files.
#[must_use]
pub fn devices(proc: &Proc) -> Devices {
    let mut devices = File::open(proc.path("self/mountinfo"))
        .and_then(|file| Devices::parse_mountinfo(BufReader::new(file)))
        .unwrap_or_default();
    devices.shared_memory.extend(internal(MFdFlags::empty()));
    devices.hugetlb.extend(internal(MFdFlags::MFD_HUGETLB));
    devices
}

/// The device of the kernel's internal mount that backs such a memfd, and every memory mapping
/// without a file of its kind.
fn internal(flags: MFdFlags) -> Option<Device> {
    let memory = memfd_create(c"fault-trace-probe", flags | MFdFlags::MFD_CLOEXEC).ok()?;
    let device = fstat(memory.as_fd()).ok()?.st_dev;
    Some(Device {
        major: u32::try_from(major(device)).ok()?,
        minor: u32::try_from(minor(device)).ok()?,
    })
}
