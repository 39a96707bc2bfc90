//! `vsyscall:emulate_vsyscall`: the fault was a call of a legacy vsyscall.

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::RawTracePointContext};
use fault_trace_common::{Closer, Evidence, Region};

use crate::{
    close::{self, Closing},
    current::Current,
    states,
};

pub(crate) fn emulated(_ctx: &RawTracePointContext) {
    let Some(state) = states::state(Current::get()) else {
        return;
    };
    let Some(newest) = state.open.newest_mut() else {
        return;
    };
    if !newest.evidence.in_region(Region::Vsyscall) {
        return;
    }
    let closing = Closing {
        evidence: Evidence::NONE.with_closer(Closer::Vsyscall).word,
        // SAFETY: no arguments to get wrong.
        end_ns: unsafe { bpf_ktime_get_ns() },
        ip: newest.address,
    };
    close::newest(state, closing);
}
