//! Opens perf's sideband on every CPU and reads it: mappings, names, forks and exits.
//!
//! The machine's: one dummy event per CPU, for all processes; the reader filters. Whoever maps much
//! fills its rings. The tasks': events of the traced tasks alone, which the kernel copies to what they
//! fork, with rings of their own. The kernel takes those away from a task that executes a setuid
//! program (`fs/exec.c:begin_new_exec`, v6.12); the machine's go on telling of it. A full ring loses
//! records, which the kernel reports and [`SpaceChange::Lost`](crate::model::space_event::SpaceChange)
//! passes on.

mod event;
mod ring;
mod tasks;

use std::{io, os::fd::BorrowedFd};

use crate::{
    model::space_event::{Origin, SpaceEvent},
    pipeline::{self, sideband::Decoder},
};
use event::Whose;
use ring::Ring;
use tasks::Tasks;

/// The default size of a CPU's ring, bytes: what the kernel grants without `CAP_IPC_LOCK`
/// (`perf_event_mlock_kb`), some 5,000 records.
pub const RING_BYTES: usize = 512 << 10;

/// Why the sideband cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the list of online CPUs could not be read ({0}); is /sys mounted?")]
    Cpus(String),
    #[error(
        "perf events could not be opened on CPU {cpu}: {source}{}",
        remedy(source)
    )]
    Event { cpu: u32, source: io::Error },
    #[error(
        "perf events of task {tid} could not be opened on CPU {cpu}: {source}{}",
        remedy(source)
    )]
    Task {
        tid: u32,
        cpu: u32,
        source: io::Error,
    },
    #[error(
        "the {bytes}-byte perf ring of CPU {cpu} could not be mapped: {source}; \
         free memory, or raise kernel.perf_event_mlock_kb or the limit on locked memory (ulimit -l)"
    )]
    Ring {
        cpu: u32,
        bytes: usize,
        source: io::Error,
    },
}

/// What to do about an event that could not be opened.
fn remedy(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::EMFILE) => "; raise the limit on open files (ulimit -n 1024)",
        Some(libc::EACCES | libc::EPERM) => {
            "; run as root, or with CAP_PERFMON and kernel.perf_event_paranoid below 3"
        }
        _ => "",
    }
}

impl OpenError {
    /// Whether privileges are missing.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        let (Self::Event { source, .. } | Self::Task { source, .. } | Self::Ring { source, .. }) =
            self
        else {
            return false;
        };
        source.kind() == io::ErrorKind::PermissionDenied
    }

    /// Whether the CPU is not online.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        matches!(self, Self::Event { source, .. } if source.raw_os_error() == Some(libc::ENODEV))
    }
}

/// What one reading of all rings yielded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReadCounts {
    /// Events handed on.
    pub events: u64,
    /// Events of processes that were not wanted.
    pub skipped: u64,
    /// Records that could not be decoded.
    pub undecodable: u64,
    /// Records that the kernel lost because a ring was full.
    pub lost: u64,
}

/// The sideband of all CPUs, from the moment it was opened.
#[derive(Debug)]
pub struct Sideband {
    machine: Vec<Ring>,
    tasks: Tasks,
    ring_bytes: usize,
}

impl Sideband {
    /// Opens the machine's on every online CPU. `ring_bytes` is rounded up to a power of two pages. A
    /// process that exists already is known only through a snapshot: take it after this.
    ///
    /// # Errors
    /// Missing privileges, or memory that may not be locked.
    pub fn open(ring_bytes: usize) -> Result<Self, OpenError> {
        let mut sideband = Self {
            machine: Vec::new(),
            tasks: Tasks::default(),
            ring_bytes,
        };
        for cpu in online_cpus()? {
            match sideband.add_cpu(cpu) {
                // It went offline since it was listed.
                Err(error) if error.is_offline() => {}
                added => added?,
            }
        }
        Ok(sideband)
    }

    /// Opens the machine's on a CPU that came online later.
    ///
    /// # Errors
    /// As [`Sideband::open`].
    pub fn add_cpu(&mut self, cpu: u32) -> Result<(), OpenError> {
        let event = event::open(Whose::Everyone, cpu, self.ring_bytes)
            .map_err(|source| OpenError::Event { cpu, source })?;
        self.machine.push(Ring::new(event, cpu, self.ring_bytes)?);
        Ok(())
    }

    /// Forgets the machine's of CPUs that are not online: the kernel has closed them. Read before.
    pub fn forget_offline(&mut self, online: &[u32]) {
        self.machine.retain(|ring| online.contains(&ring.cpu()));
    }

    /// Opens a task's own on these CPUs, with rings of `ring_bytes`; false if it is gone. Whatever it
    /// forks from then on is told of, too.
    ///
    /// # Errors
    /// Missing privileges, memory that may not be locked, or too many open files.
    pub fn add_task(
        &mut self,
        tid: u32,
        cpus: &[u32],
        ring_bytes: usize,
    ) -> Result<bool, OpenError> {
        for &cpu in cpus {
            if !self.tasks.add(tid, cpu, ring_bytes)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many events of tasks are open.
    #[must_use]
    pub fn task_events(&self) -> usize {
        self.tasks.len()
    }

    /// Closes the events of all tasks.
    pub fn forget_tasks(&mut self) {
        self.tasks = Tasks::default();
    }

    /// The descriptors that become readable when a ring is half full.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let rings = self.machine.iter().chain(&self.tasks.rings);
        rings.map(Ring::descriptor)
    }

    /// Reads whatever the rings of one origin hold and frees them. Events that `wanted` refuses are left
    /// out; it is asked for all but losses. Each CPU's events are in order of time, those
    /// of different CPUs are not: all up to a moment are here if reading began after it.
    pub fn read(
        &mut self,
        origin: Origin,
        decoder: &mut Decoder,
        mut wanted: impl FnMut(&SpaceEvent) -> bool,
        mut sink: impl FnMut(SpaceEvent),
    ) -> ReadCounts {
        use crate::model::space_event::SpaceChange;
        let mut counts = ReadCounts::default();
        pipeline::Sideband::read(self, origin, |record| match decoder.decode(record) {
            Ok(event) if event.change.pid().is_none() || wanted(&event) => {
                if let SpaceChange::Lost { records } = event.change {
                    counts.lost += records;
                }
                counts.events += 1;
                sink(event);
            }
            Ok(_) => counts.skipped += 1,
            Err(_) => counts.undecodable += 1,
        });
        counts
    }
}

impl pipeline::Sideband for Sideband {
    fn read(&mut self, origin: Origin, mut sink: impl FnMut(&[u8])) {
        let rings = match origin {
            Origin::Machine => &mut self.machine,
            Origin::Tasks => &mut self.tasks.rings,
        };
        for ring in rings {
            ring.drain(&mut sink);
        }
    }
}

fn online_cpus() -> Result<Vec<u32>, OpenError> {
    aya::util::online_cpus().map_err(|(file, error)| OpenError::Cpus(format!("{file}: {error}")))
}
