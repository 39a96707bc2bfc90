//! Capturing faults: the only place that knows aya, eBPF and perf events.
//!
//! A [`Capture`] is loaded with [`Settings`], given targets, attached, drained while it runs,
//! detached and settled; its [totals](Capture::totals) are exact then.

mod attach;
mod debug;
mod error;
mod load;
mod perf_event;
mod ring;
pub mod sideband;
mod totals;

use std::{os::fd::OwnedFd, thread, time::Duration};

use aya::{
    Ebpf,
    maps::{Array, HashMap},
    programs::raw_trace_point::RawTracePointLinkId,
};
use fault_trace_common::{
    Hook, Hooks, Regions,
    catalogue::kernel::Version,
    wire::{COMM_LEN, KernelFilter, TARGET_HINTS_LEN},
};

pub use error::CaptureError;
pub use ring::Ring;

use crate::{model::totals::KernelCounts, options::CallGraph};
use debug::Debug;
pub use totals::{LiveThread, Snapshot};

/// Whose faults are captured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TargetKind {
    /// Every thread of the machine.
    All,
    /// Processes, with all their threads.
    Processes {
        /// And the processes they fork from now on.
        follow_children: bool,
    },
    /// Single threads.
    Threads,
    /// The threads in a cgroup of version 2 and below it.
    Cgroup {
        id: u64,
        /// How far below the root of the hierarchy it is.
        level: u32,
    },
    /// The threads of a user, by real user id.
    User(u32),
    /// The threads of this name, filled up with NULs.
    Comm([u8; COMM_LEN]),
}

/// Byte offsets in the kernel's `struct task_struct`; those of counters, cgroups and start time 0
/// where unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TaskOffsets {
    pub pid: u32,
    pub tgid: u32,
    pub mm: u32,
    pub pagefault_disabled: u32,
    pub group_leader: u32,
    pub comm: u32,
    pub min_flt: u32,
    pub maj_flt: u32,
    pub cgroups: u32,
    pub start_time: u32,
}

/// What a capture needs to know beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub target: TargetKind,
    /// Which faults count, and which of those are recorded one by one.
    pub selection: KernelFilter,
    /// The size of the ring buffer, bytes (a power of two, at least a page); `None` only counts.
    pub ring_bytes: Option<u32>,
    pub regions: Regions,
    pub task_offsets: TaskOffsets,
    /// The running kernel.
    pub kernel: Version,
    /// Whether `sched_switch` passes the state that a thread leaves the CPU in.
    pub has_prev_state: bool,
    /// The hooks to try.
    pub hooks: Hooks,
    /// How stacks are taken, if they are.
    pub stacks: Option<CallGraph>,
    /// Room for fewer threads, processes and targets, [`SMALL_TABLES`] each, for want of memory.
    pub small_tables: bool,
    /// Whether the programs tell of their anomalies, on standard error.
    pub debugs_programs: bool,
}

/// Threads, processes and targets that small tables hold.
pub const SMALL_TABLES: u32 = 1 << 12;

/// Loaded and attached programs. Dropping it detaches them, as does the death of the process.
pub struct Capture {
    ebpf: Ebpf,
    hooks: Hooks,
    raw: Vec<(Hook, RawTracePointLinkId)>,
    /// Open perf events with the CPU each is on.
    events: Vec<(u32, OwnedFd)>,
    /// If the programs tell of their anomalies.
    debug: Option<Debug>,
}

impl Capture {
    /// Loads the programs. Nothing runs yet.
    ///
    /// # Errors
    /// Missing privileges, or a kernel that refuses the programs.
    pub fn load(settings: &Settings) -> Result<Self, CaptureError> {
        load::load(settings)
    }

    /// The hooks that are, or will be, attached.
    #[must_use]
    pub const fn hooks(&self) -> Hooks {
        self.hooks
    }

    /// Makes a process or thread a target for the whole run.
    ///
    /// # Errors
    /// More targets than the map holds.
    pub fn add_target(&mut self, id: u32) -> Result<(), CaptureError> {
        // Far more threads than can ever exit: the id stays a target for the whole run.
        const FOR_GOOD: u64 = 1 << 40;
        self.insert_target(id, FOR_GOOD)
    }

    /// Makes a process of one thread a target until it has exited.
    ///
    /// # Errors
    /// More targets than the map holds.
    pub fn add_new_process(&mut self, pid: u32) -> Result<(), CaptureError> {
        self.insert_target(pid, 1)
    }

    fn insert_target(&mut self, id: u32, threads: u64) -> Result<(), CaptureError> {
        let failed = |source| CaptureError::Target { id, source };
        // First: what has no hint is taken for no target.
        let mut hints: Array<_, u64> = totals::map_mut(&mut self.ebpf, "TARGET_HINTS")?;
        hints.set(id % TARGET_HINTS_LEN, &1, 0).map_err(failed)?;
        let mut targets: HashMap<_, u32, u64> = totals::map_mut(&mut self.ebpf, "TARGETS")?;
        targets.insert(&id, &threads, 0).map_err(failed)
    }

    /// The target processes or threads: those added for the whole run, and of the others, as of what
    /// they forked, those that have not exited.
    ///
    /// # Errors
    /// A map cannot be read.
    pub fn targets(&self) -> Result<Vec<u32>, CaptureError> {
        let name = "TARGETS";
        let targets: HashMap<_, u32, u64> = totals::map(&self.ebpf, name)?;
        let ids: Result<Vec<u32>, _> = targets.keys().collect();
        ids.map_err(|source| CaptureError::Map { name, source })
    }

    /// Attaches everything but START, so that nothing counts yet. An error may name an optional
    /// hook: then load again without it.
    ///
    /// # Errors
    /// The hook that the kernel refused; see [`CaptureError::Attach`].
    pub fn attach(&mut self, cpus: &[u32]) -> Result<(), CaptureError> {
        attach::attach(self, cpus)
    }

    /// Attaches START; from then on faults count, of all threads from the same moment. `now_ns` reads
    /// CLOCK_MONOTONIC.
    ///
    /// # Errors
    /// The hook that the kernel refused.
    pub fn start(&mut self, now_ns: impl FnOnce() -> u64) -> Result<(), CaptureError> {
        attach::start(self)?;
        if let Some(debug) = &mut self.debug {
            debug.start()?;
        }
        // Whoever begins after the clock is read was counted from its first fault on.
        self.set_counting(u64::MAX)?;
        self.set_counting(now_ns())
    }

    /// Tells the kernel's counters of a thread that was there when counting began: what they move until its
    /// first START are faults without an exception. One too many for the map is counted from its first START.
    pub fn note_before(&mut self, tid: u32, counts: KernelCounts) {
        let Ok(mut before) = totals::map_mut::<HashMap<_, u32, [u64; 2]>>(&mut self.ebpf, "BEFORE")
        else {
            return;
        };
        // Full, then.
        let _ = before.insert(&tid, &[counts.minor, counts.major], 0);
    }

    /// Attaches to CPUs that came online since, and forgets those that went. Returns how many came.
    ///
    /// # Errors
    /// As for [`Capture::attach`].
    pub fn follow_cpus(&mut self, online: &[u32]) -> Result<u64, CaptureError> {
        attach::follow_cpus(self, online)
    }

    /// The reading end of the ring buffer; once.
    ///
    /// # Errors
    /// The run only counts, or the ring buffer cannot be mapped.
    pub fn take_ring(&mut self) -> Result<Ring, CaptureError> {
        Ring::new(totals::take_map(&mut self.ebpf, "EVENTS")?)
    }

    /// What has been counted so far; exact after [`Capture::settle`].
    ///
    /// # Errors
    /// A map cannot be read.
    pub fn totals(&self) -> Result<Snapshot, CaptureError> {
        totals::read(&self.ebpf)
    }

    /// 0: not at all.
    fn set_counting(&mut self, since_ns: u64) -> Result<(), CaptureError> {
        let name = "COUNTING";
        let mut map: Array<_, u64> = totals::map_mut(&mut self.ebpf, name)?;
        map.set(0, &since_ns, 0)
            .map_err(|source| CaptureError::Map { name, source })
    }

    /// Detaches everything, START first.
    ///
    /// # Errors
    /// A map cannot be written.
    pub fn detach(&mut self) -> Result<(), CaptureError> {
        self.set_counting(0)?;
        attach::detach(self);
        Ok(())
    }

    /// Waits for programs that still ran when they were detached.
    pub fn settle(&mut self) {
        // A program runs for microseconds, on a CPU that may be busy with an interrupt or stolen by
        // a hypervisor meanwhile.
        thread::sleep(Duration::from_millis(5));
        if let Some(debug) = &mut self.debug {
            debug.finish();
        }
    }
}
