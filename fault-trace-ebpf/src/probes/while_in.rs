//! Evidence about the newest open fault of the current thread, and the phases of its time.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use fault_trace_common::{Evidence, open::OpenFault, phase::Phase, wire::TaskState};

use crate::{close, current::Current, states, task};

/// The open fault that what happens now is evidence about; none while the thread reclaims or compacts
/// memory for it, since that touches other pages and other address spaces.
#[inline(always)]
pub(crate) fn open_fault() -> Option<&'static mut OpenFault> {
    open_fault_of(states::state(Current::get())?)
}

/// The same of a thread whose state is known.
#[inline(always)]
pub(crate) fn open_fault_of(state: &mut TaskState) -> Option<&mut OpenFault> {
    state
        .open
        .taking_evidence(close::instruction)
        .filter(|fault| is_own_doing(fault))
}

#[inline(always)]
pub(crate) const fn is_own_doing(fault: &OpenFault) -> bool {
    !fault
        .evidence
        .any(Evidence::IN_RECLAIM | Evidence::IN_COMPACTION)
}

/// Adds to the evidence.
#[inline(always)]
pub(crate) fn note(bits: u128) {
    if let Some(fault) = open_fault() {
        fault.evidence.set(bits);
    }
}

/// Adds that pages became resident to the evidence of a fault that will be completed, see [`close`]: without a
/// look at whether it is over, which takes 15 ns in kernel mode. With no fault open it is noted by itself.
#[inline(always)]
pub(crate) fn note_resident(bits: u128) {
    let Some(state) = states::state(Current::get()) else {
        return;
    };
    match state.open.perhaps_taking_evidence() {
        Some(fault) if is_own_doing(fault) => fault.evidence.set(bits),
        Some(_) => {}
        None => {
            if state.open.is_idle() {
                task::note_loose(state, Evidence::of(bits).word, 0);
            }
        }
    }
}

/// Adds that a page entered the page cache; with no fault open, too.
#[inline(always)]
pub(crate) fn note_cached() {
    let Some(state) = states::state(Current::get()) else {
        return;
    };
    if let Some(fault) = open_fault_of(state) {
        fault.evidence.set(Evidence::CACHE_ADD);
    } else if state.open.is_idle() && state.ledger.evidence.any(Evidence::ALLOC_ANY) {
        state.ledger.evidence.set(Evidence::CACHE_ADD);
    }
}

/// A stretch of a phase begins: `state` holds during it, `evidence` stays.
#[inline(always)]
pub(crate) fn enter(phase: Phase, state: u128, evidence: u128) {
    if let Some(fault) = open_fault() {
        fault.evidence.set(state | evidence);
        // SAFETY: no arguments to get wrong.
        fault.begin_phase(phase, unsafe { bpf_ktime_get_ns() });
    }
}

/// The stretch ends.
#[inline(always)]
pub(crate) fn leave(phase: Phase, state: u128) {
    if let Some(task) = states::state(Current::get())
        && let Some(fault) = task.open.taking_evidence(close::instruction)
        && fault.evidence.any(state)
    {
        fault.evidence.clear(state);
        // SAFETY: no arguments to get wrong.
        fault.end_phase(phase, unsafe { bpf_ktime_get_ns() });
    }
}
