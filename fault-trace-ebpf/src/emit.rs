//! Records for user space. Never with a wake-up: the reader comes by itself.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_prandom_u32, bpf_get_smp_processor_id, bpf_ktime_get_ns},
};
use fault_trace_common::{
    Counter,
    open::OpenFault,
    wire::{COMM_LEN, Counts, FaultRecord, KIND_FAULT, KIND_TASK, RecordHeader, TaskRecord},
};

use crate::{
    close::WireVerdict,
    config,
    maps::{EVENTS, add, count},
    task,
};

#[inline(always)]
fn header(kind: u16, class: u8, confidence: u8) -> RecordHeader {
    RecordHeader {
        kind,
        // SAFETY: no arguments to get wrong.
        cpu: unsafe { bpf_get_smp_processor_id() } as u16,
        class,
        confidence,
        padding: 0,
    }
}

/// Writes a fault, unless the run only counts or thins it out.
#[inline(always)]
pub(crate) fn fault(
    fault: &OpenFault,
    verdict: WireVerdict,
    latency_ns: u64,
    counts: &mut Counts,
    shared: bool,
) {
    if config::get!(emit) == 0 {
        return;
    }
    let sample = config::get!(sample);
    // An unknown latency is never too small: such faults are rare and telling.
    if latency_ns < config::get!(min_latency_ns)
        // SAFETY: no arguments to get wrong.
        || (sample > 1 && unsafe { bpf_get_prandom_u32() } % sample != 0)
    {
        add(&raw mut counts.filtered, 1, shared);
        return;
    }
    let Some(mut entry) = EVENTS.reserve::<FaultRecord>(0) else {
        add(&raw mut counts.dropped, 1, shared);
        return;
    };
    let (pid, tid) = task::ids();
    entry.write(FaultRecord {
        header: header(KIND_FAULT, verdict.class(), verdict.confidence()),
        time_ns: fault.start_ns,
        latency_ns,
        address: fault.address,
        ip: fault.ip,
        evidence: fault.evidence.0,
        error_code: fault.error_code,
        pid,
        tid,
        pages: fault.pages,
    });
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    add(&raw mut counts.recorded, 1, shared);
}

/// Writes what happened to a task; `change` is a `TASK_…` constant.
#[inline(always)]
pub(crate) fn task(change: u8, pid: u32, tid: u32, parent_pid: u32, comm: &[u8; COMM_LEN]) {
    if config::get!(emit) == 0 {
        return;
    }
    let Some(mut entry) = EVENTS.reserve::<TaskRecord>(0) else {
        count(Counter::TaskRecordsDropped);
        return;
    };
    entry.write(TaskRecord {
        header: header(KIND_TASK, change, 0),
        // SAFETY: no arguments to get wrong.
        time_ns: unsafe { bpf_ktime_get_ns() },
        pid,
        tid,
        parent_pid,
        padding: 0,
        comm: *comm,
    });
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}
