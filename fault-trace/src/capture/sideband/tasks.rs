//! The records of the traced tasks alone: nothing that others do can fill these rings.
//!
//! One event per task and CPU, which the kernel copies to whatever the task forks. All events of a CPU
//! write into one ring.

use std::{
    collections::HashSet,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use perf_event_open_sys::ioctls;

use super::{
    OpenError,
    event::{self, Whose},
    ring::Ring,
};

/// The events of tasks, and a ring per CPU.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    pub(super) rings: Vec<Ring>,
    /// The events that write into another's ring.
    others: Vec<OwnedFd>,
    /// Each task that was opened, and on which CPU.
    opened: HashSet<(u32, u32)>,
}

impl Tasks {
    /// How many events are open.
    pub(super) fn len(&self) -> usize {
        self.opened.len()
    }

    /// Opens a task on a CPU, once; false if there is no such task any more.
    pub(super) fn add(&mut self, tid: u32, cpu: u32, ring_bytes: usize) -> Result<bool, OpenError> {
        if self.opened.contains(&(tid, cpu)) {
            return Ok(true);
        }
        let event = match event::open(Whose::Task(tid), cpu, ring_bytes) {
            Ok(event) => event,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(false),
            // The CPU went offline since it was listed; it is asked for again when it is back.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(true),
            Err(source) => return Err(OpenError::Task { tid, cpu, source }),
        };
        match self.rings.iter().find(|ring| ring.cpu() == cpu) {
            Some(ring) => {
                redirect(&event, ring).map_err(|source| OpenError::Task { tid, cpu, source })?;
                self.others.push(event);
            }
            None => self.rings.push(Ring::new(event, cpu, ring_bytes)?),
        }
        self.opened.insert((tid, cpu));
        Ok(true)
    }
}

/// Lets an event write into the ring of another one on the same CPU.
fn redirect(event: &OwnedFd, ring: &Ring) -> io::Result<()> {
    let into = ring.descriptor().as_raw_fd();
    // SAFETY: both descriptors are open perf events; the call takes a number and no memory.
    let result = unsafe { ioctls::SET_OUTPUT(event.as_raw_fd(), into) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
