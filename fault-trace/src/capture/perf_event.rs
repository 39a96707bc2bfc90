//! perf software events that run an eBPF program for every fault on a CPU.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use fault_trace_common::Hook;
use perf_event_open_sys::{bindings, ioctls, perf_event_open};

/// Opens the software event of `hook` on `cpu`, for every thread there, with a program that runs each
/// time. Closing the descriptor ends it.
pub(super) fn open(hook: Hook, cpu: u32, program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attributes = bindings::perf_event_attr {
        size: size_of::<bindings::perf_event_attr>() as u32,
        type_: bindings::PERF_TYPE_SOFTWARE,
        config: u64::from(match hook {
            Hook::FaultsMajor => bindings::PERF_COUNT_SW_PAGE_FAULTS_MAJ,
            _ => bindings::PERF_COUNT_SW_PAGE_FAULTS_MIN,
        }),
        ..Default::default()
    };
    attributes.__bindgen_anon_1.sample_period = 1;
    attributes.set_disabled(1);
    let cpu = i32::try_from(cpu).map_err(io::Error::other)?;
    // SAFETY: the attributes are initialised and live through the call.
    let fd = unsafe {
        perf_event_open(
            &raw mut attributes,
            -1,
            cpu,
            -1,
            bindings::PERF_FLAG_FD_CLOEXEC.into(),
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    let event = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: both descriptors are open.
    check(unsafe { ioctls::SET_BPF(fd, program.as_raw_fd().cast_unsigned()) })?;
    // SAFETY: the descriptor is open.
    check(unsafe { ioctls::ENABLE(fd, 0) })?;
    Ok(event)
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
