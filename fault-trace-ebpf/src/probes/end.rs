//! END: perf's page-fault software events, raised by the handler itself (`mm_account_fault` in mm/memory.c).

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::PerfEventContext};
use fault_trace_common::{Closer, Evidence};

use crate::{
    close::{self, Closing},
    current::Current,
    stack, states, task,
};

pub(crate) fn minor(ctx: &PerfEventContext) {
    end(ctx, 0);
}

pub(crate) fn major(ctx: &PerfEventContext) {
    end(ctx, Evidence::MAJOR);
}

#[inline(always)]
fn end(ctx: &PerfEventContext, major: u128) {
    let current = Current::get();
    let is_major = major != 0;
    let Some(state) = states::state(current) else {
        // SAFETY: the kernel's context, valid while the program runs.
        task::ended_unmatched(unsafe { (*ctx.ctx).addr }, is_major.into());
        return;
    };
    // SAFETY: no arguments to get wrong.
    let end_ns = unsafe { bpf_ktime_get_ns() };
    // SAFETY: the kernel's context, valid while the program runs.
    let (address, ip) = unsafe { ((*ctx.ctx).addr, (*ctx.ctx).regs.rip) };
    let closing = Closing {
        evidence: Evidence::of(Evidence::ENDED | major)
            .with_closer(Closer::End)
            .word,
        end_ns,
        ip,
    };
    if state.open.is_only_at(address) {
        state.ledger.ended(is_major);
        stack::take(ctx, state, 0, end_ns);
        close::only(current, state, closing);
        stack::forget(state);
        return;
    }
    let Some(index) = state.open.newest_at(address) else {
        task::ended_unmatched(address, is_major.into());
        return;
    };
    state.ledger.ended(is_major);
    if state.open.depth() > index + 1 {
        close::down_to(state, index + 1, Closing::late(Closer::OuterEnd));
    }
    stack::take(ctx, state, index, end_ns);
    close::newest(state, closing);
    stack::forget(state);
}
