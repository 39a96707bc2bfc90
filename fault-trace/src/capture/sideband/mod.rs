//! Opens perf's sideband on every CPU and reads it: mappings, names, forks and exits.
//!
//! One dummy event a CPU, for all processes: the kernel cannot filter by process and follow forks
//! into new processes at once, so the reader filters. A full ring loses records, which the kernel
//! reports and [`SpaceChange::Lost`](crate::model::space_event::SpaceChange) passes on.

mod ring;

use std::{io, os::fd::BorrowedFd};

use perf_event_open_sys::bindings::{PERF_COUNT_SW_DUMMY, PERF_TYPE_SOFTWARE, perf_event_attr};

use crate::{
    model::space_event::SpaceEvent,
    sideband::{Decoder, SAMPLE_TYPE},
};
use ring::Ring;

/// The default size of a CPU's ring, bytes: what the kernel grants without `CAP_IPC_LOCK`
/// (`perf_event_mlock_kb`), some 5,000 records.
pub const RING_BYTES: usize = 512 << 10;

/// Why the sideband cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the list of online CPUs could not be read ({0}); is /sys mounted?")]
    Cpus(String),
    #[error(
        "perf events could not be opened on CPU {cpu}: {source}; run as root or with CAP_PERFMON"
    )]
    Event { cpu: u32, source: io::Error },
    #[error(
        "the {bytes}-byte perf ring of CPU {cpu} could not be mapped: {source}; \
         choose a smaller ring or raise kernel.perf_event_mlock_kb"
    )]
    Ring {
        cpu: u32,
        bytes: usize,
        source: io::Error,
    },
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
    rings: Vec<Ring>,
    ring_bytes: usize,
}

impl Sideband {
    /// Opens it on every online CPU. `ring_bytes` is rounded up to a power of two pages. A process
    /// that exists already is known only through a snapshot: take it after this.
    ///
    /// # Errors
    /// Missing privileges, or memory that may not be locked.
    pub fn open(ring_bytes: usize) -> Result<Self, OpenError> {
        let mut sideband = Self {
            rings: Vec::new(),
            ring_bytes,
        };
        let cpus = aya::util::online_cpus()
            .map_err(|(file, error)| OpenError::Cpus(format!("{file}: {error}")))?;
        for cpu in cpus {
            sideband.add_cpu(cpu)?;
        }
        Ok(sideband)
    }

    /// Opens it on a CPU that came online later.
    ///
    /// # Errors
    /// As [`Sideband::open`].
    pub fn add_cpu(&mut self, cpu: u32) -> Result<(), OpenError> {
        let ring = Ring::open(attributes(self.ring_bytes), cpu, self.ring_bytes)?;
        self.rings.push(ring);
        Ok(())
    }

    /// The descriptors that become readable when a ring is half full.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.rings.iter().map(Ring::descriptor)
    }

    /// Reads whatever the rings hold and frees them. Events that `wanted` refuses are left
    /// out; it is asked for all but losses. Each CPU's events are in order of time, those
    /// of different CPUs are not: all up to a moment are here if reading began after it.
    pub fn read(
        &mut self,
        decoder: &mut Decoder,
        mut wanted: impl FnMut(&SpaceEvent) -> bool,
        mut sink: impl FnMut(SpaceEvent),
    ) -> ReadCounts {
        use crate::model::space_event::SpaceChange;
        let mut counts = ReadCounts::default();
        for ring in &mut self.rings {
            ring.drain(|record| match decoder.decode(record) {
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
        }
        counts
    }
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
