//! Evidence about the newest open fault of the current thread.

use fault_trace_common::{Evidence, open::OpenFault};

use crate::task;

/// The open fault that what happens now is evidence about; none while the thread reclaims memory for
/// it, since reclaim touches other pages and other address spaces.
#[inline(always)]
pub(crate) fn open_fault() -> Option<&'static mut OpenFault> {
    task::state()?
        .open
        .taking_evidence()
        .filter(|fault| !fault.evidence.any(Evidence::IN_RECLAIM))
}

/// Adds to the evidence.
#[inline(always)]
pub(crate) fn note(bits: u64) {
    if let Some(fault) = open_fault() {
        fault.evidence.0 |= bits;
    }
}

/// A stretch begins: `state` holds during it, `evidence` stays.
#[inline(always)]
pub(crate) fn enter(state: u64, evidence: u64) {
    if let Some(fault) = open_fault() {
        fault.evidence.0 |= state | evidence;
    }
}

/// The stretch ends.
#[inline(always)]
pub(crate) fn leave(state: u64) {
    if let Some(task) = task::state()
        && let Some(fault) = task.open.taking_evidence()
    {
        fault.evidence.0 &= !state;
    }
}
