//! Records for user space. Never with a wake-up: the reader comes by itself.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
};
use fault_trace_common::{
    Counter, Evidence,
    open::OpenFault,
    wire::{
        COMM_LEN, Counts, FaultRecord, KIND_FAULT, KIND_PHASES, KIND_STACKED_FAULT, KIND_TASK,
        LATENCY_UNKNOWN, PhasesRecord, RecordHeader, STACKS_NONE, StackedFaultRecord,
        THINNING_OPEN, THINNING_OUT, TaskRecord, WIDE, Wide,
    },
};

use crate::{
    close::WireVerdict,
    config,
    current::Current,
    maps::{EVENTS, add, count},
};

#[inline(always)]
pub(crate) fn header(kind: u16, class: u8, confidence: u8) -> RecordHeader {
    RecordHeader {
        kind,
        // SAFETY: no arguments to get wrong.
        cpu: unsafe { bpf_get_smp_processor_id() } as u16,
        class,
        confidence,
        around_pages: 0,
    }
}

/// What [`crate::stack::take`] found about the fault that is being closed.
#[derive(Clone, Copy)]
pub(crate) struct Stacks {
    pub(crate) user: u64,
    pub(crate) kernel: u64,
    pub(crate) thinning: u32,
}

/// A fault that is over.
#[derive(Clone, Copy)]
pub(crate) struct Closed<'a> {
    pub(crate) fault: &'a OpenFault,
    pub(crate) verdict: WireVerdict,
    pub(crate) latency_ns: u64,
    pub(crate) stacks: Stacks,
}

/// Writes a fault of the current thread, unless the run only counts or thins it out.
#[inline(always)]
pub(crate) fn fault(
    current: Current,
    closed: &Closed<'_>,
    random: &mut u64,
    counts: &mut Counts,
    shared: bool,
) {
    if config::get!(emit) == 0 {
        return;
    }
    let thinned_out = match closed.stacks.thinning {
        THINNING_OPEN => is_thinned_out(closed.latency_ns, random),
        decided => decided == THINNING_OUT,
    };
    if thinned_out {
        add(&raw mut counts.filtered, 1, shared);
        return;
    }
    let result = if write_fault(current, closed) {
        &raw mut counts.recorded
    } else {
        &raw mut counts.dropped
    };
    add(result, 1, shared);
}

#[inline(always)]
fn write_fault(current: Current, closed: &Closed<'_>) -> bool {
    // Without its phases a fault would seem to be all the CPU's.
    if closed.fault.is_phased()
        && closed.latency_ns != LATENCY_UNKNOWN
        && !write(|| phases(current, closed.fault))
    {
        return false;
    }
    if config::get!(stacks) == STACKS_NONE {
        return write_evident(closed, |wide| record(KIND_FAULT | wide, current, closed));
    }
    write_evident(closed, |wide| StackedFaultRecord {
        fault: record(KIND_STACKED_FAULT | wide, current, closed),
        user_stack: closed.stacks.user,
        kernel_stack: closed.stacks.kernel,
    })
}

/// Writes the record of a fault, which `make` makes given what to add to its kind, with the second word of
/// the evidence if anything is there.
#[inline(always)]
fn write_evident<R: 'static>(closed: &Closed<'_>, make: impl FnOnce(u16) -> R) -> bool {
    let evidence_more = closed.fault.evidence.more;
    if !Evidence::USES_MORE || evidence_more == 0 {
        return write(|| make(0));
    }
    write(|| Wide {
        record: make(WIDE),
        evidence_more,
    })
}

#[inline(always)]
fn phases(current: Current, fault: &OpenFault) -> PhasesRecord {
    PhasesRecord {
        header: header(KIND_PHASES, 0, 0),
        time_ns: fault.start_ns,
        tid: current.ids().1,
        padding: 0,
        spent_ns: fault.phases.spent_ns,
    }
}

/// Whether a fault of this latency is left out of the recording on request.
#[inline(always)]
pub(crate) fn is_thinned_out(latency_ns: u64, random: &mut u64) -> bool {
    let sample = config::get!(filter.sample);
    // An unknown latency is never too small: such faults are rare and telling.
    latency_ns < config::get!(filter.min_latency_ns) || (sample > 1 && !is_drawn(random, sample))
}

/// One in `sample`. A generator of the thread's own (linear congruential, the multiplier is Knuth's for
/// MMIX): a helper and a division took 40 ns more.
#[inline(always)]
fn is_drawn(random: &mut u64, sample: u32) -> bool {
    *random = random
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    // The high half is the better one. A number below `sample`.
    ((*random >> 32) * u64::from(sample)) >> 32 == 0
}

/// Writes a record; false if there was no room.
#[inline(always)]
fn write<T: 'static>(record: impl FnOnce() -> T) -> bool {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else {
        return false;
    };
    entry.write(record());
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    true
}

#[inline(always)]
fn record(kind: u16, current: Current, closed: &Closed<'_>) -> FaultRecord {
    let &Closed { fault, verdict, .. } = closed;
    let (pid, tid) = current.ids();
    let mut header = header(kind, verdict.class(), verdict.confidence());
    header.around_pages = if fault.around_pages > u32::from(u16::MAX) {
        u16::MAX
    } else {
        fault.around_pages as u16
    };
    FaultRecord {
        header,
        time_ns: fault.start_ns,
        latency_ns: closed.latency_ns,
        address: fault.address,
        ip: fault.ip,
        evidence: fault.evidence.word,
        error_code: fault.error_code,
        pid,
        tid,
        pages: fault.pages,
    }
}

/// Writes what happened to a task; `change` is a `TASK_…` constant, and a `cgroup_id` of 0 is unknown.
#[inline(always)]
pub(crate) fn task(
    change: u8,
    (pid, tid): (u32, u32),
    parent_pid: u32,
    cgroup_id: u64,
    comm: &[u8; COMM_LEN],
) {
    if config::get!(emit) == 0 {
        return;
    }
    let written = write(|| TaskRecord {
        header: header(KIND_TASK, change, 0),
        // SAFETY: no arguments to get wrong.
        time_ns: unsafe { bpf_ktime_get_ns() },
        pid,
        tid,
        parent_pid,
        padding: 0,
        cgroup_id,
        comm: *comm,
    });
    if !written {
        count(Counter::TaskRecordsDropped);
    }
}
