//! The capability that this kernel asks for before it opens a perf event.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};

use caps::{CapSet, Capability};
use perf_event_open_sys::{bindings, perf_event_open};

/// The highest `kernel.perf_event_paranoid` that means the same on every kernel. Above it, Debian's and
/// others' open no event without `CAP_SYS_ADMIN`, whatever else the process holds; the upstream kernel
/// goes on being content with `CAP_PERFMON` (include/linux/perf_event.h:perf_allow_cpu (v6.12)).
pub const PARANOID_EVERYWHERE: i32 = 2;

/// Returns whether events are refused to this process as soon as it is without `CAP_SYS_ADMIN`: found by
/// opening one without it. The capability is effective again afterwards.
///
/// # Errors
/// The kernel refuses to change the effective set.
pub fn need_sys_admin() -> Result<bool, caps::errors::CapsError> {
    let before = caps::read(None, CapSet::Effective)?;
    if !before.contains(&Capability::CAP_SYS_ADMIN) {
        return Ok(false);
    }
    caps::drop(None, CapSet::Effective, Capability::CAP_SYS_ADMIN)?;
    let opened = open();
    caps::set(None, CapSet::Effective, &before)?;
    Ok(opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied))
}

/// Opens, and closes again, the kind of event that everybody may open of their own thread where
/// `perf_event_paranoid` is not above what it means everywhere.
fn open() -> io::Result<()> {
    let mut attributes = bindings::perf_event_attr {
        size: size_of::<bindings::perf_event_attr>() as u32,
        type_: bindings::PERF_TYPE_SOFTWARE,
        config: bindings::PERF_COUNT_SW_DUMMY.into(),
        ..Default::default()
    };
    attributes.set_disabled(1);
    attributes.set_exclude_kernel(1);
    attributes.set_exclude_hv(1);
    let flags = bindings::PERF_FLAG_FD_CLOEXEC.into();
    // SAFETY: the attributes say their own size and live through the call.
    let event = unsafe { perf_event_open(&raw mut attributes, 0, -1, -1, flags) };
    if event < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    drop(unsafe { OwnedFd::from_raw_fd(event) });
    Ok(())
}
