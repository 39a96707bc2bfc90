//! The perf event behind a ring: sideband records and nothing else.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

use perf_event_open_sys::bindings::{
    PERF_COUNT_SW_DUMMY, PERF_FLAG_FD_CLOEXEC, PERF_TYPE_SOFTWARE, perf_event_attr,
};

use crate::pipeline::sideband::SAMPLE_TYPE;

/// Whose records an event writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whose {
    /// Those of all tasks.
    Everyone,
    /// Those of one task and of all that it forks from now on, threads and processes.
    Task(u32),
}

/// Opens an event that writes the records of one CPU.
pub(super) fn open(whose: Whose, cpu: u32, ring_bytes: usize) -> io::Result<OwnedFd> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let on_cpu = libc::c_int::try_from(cpu).map_err(invalid)?;
    let task = match whose {
        Whose::Everyone => -1,
        Whose::Task(tid) => libc::pid_t::try_from(tid).map_err(invalid)?,
    };
    let mut attr = attributes(ring_bytes);
    // The kernel maps the ring of an inherited event only where that is bound to a CPU
    // (`kernel/events/core.c:perf_mmap`, v6.12), as each is here.
    attr.set_inherit(u64::from(task >= 0));
    // SAFETY: `attr` is a whole perf_event_attr that says its own size; it outlives the call.
    let event = unsafe {
        perf_event_open_sys::perf_event_open(
            &raw mut attr,
            task,
            on_cpu,
            -1,
            PERF_FLAG_FD_CLOEXEC.into(),
        )
    };
    if event < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(event) })
}

/// A dummy event with the sideband records and nothing else.
fn attributes(ring_bytes: usize) -> perf_event_attr {
    let mut attr = perf_event_attr {
        type_: PERF_TYPE_SOFTWARE,
        size: size_of::<perf_event_attr>() as u32,
        config: PERF_COUNT_SW_DUMMY.into(),
        sample_type: SAMPLE_TYPE,
        clockid: libc::CLOCK_MONOTONIC,
        ..perf_event_attr::default()
    };
    attr.set_mmap(1);
    attr.set_mmap_data(1);
    attr.set_mmap2(1);
    attr.set_comm(1);
    attr.set_comm_exec(1);
    attr.set_task(1);
    attr.set_sample_id_all(1);
    attr.set_use_clockid(1);
    // Readers drain on a timer; a wake-up is for a ring that fills faster.
    attr.set_watermark(1);
    attr.__bindgen_anon_2.wakeup_watermark = u32::try_from(ring_bytes / 2).unwrap_or(u32::MAX);
    attr
}
