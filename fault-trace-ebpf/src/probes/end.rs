//! END: perf's page-fault software events, raised by the handler itself (`mm_account_fault` in mm/memory.c).

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::PerfEventContext};
use fault_trace_common::{Closer, Counter, Evidence, wire::TaskState};

use crate::{
    close::{self, Closing},
    current::Current,
    maps, stack, states, task,
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
    let Some(state) = states::state(current) else {
        // Of a thread that can leave the target it began outside, or before tracing did.
        if !task::may_cease_to_be_target() {
            note_unmatched(current);
        }
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
        stack::take(ctx, state, 0, end_ns);
        close::only(current, state, closing);
        stack::forget(state);
        return;
    }
    let Some(index) = state.open.newest_at(address) else {
        if task::is_inside(current, state) && note_unmatched(current) {
            take_back_allocation(state);
        }
        return;
    };
    if state.open.depth() > index + 1 {
        close::down_to(state, index + 1, Closing::late(Closer::OuterEnd));
    }
    stack::take(ctx, state, index, end_ns);
    close::newest(state, closing);
    stack::forget(state);
}

/// Counts an END whose START was not seen, if the fault belongs to the run; whether it does. Before all
/// hooks are attached, and while they are detached, such ENDs come as a matter of course.
#[inline(always)]
fn note_unmatched(current: Current) -> bool {
    let belongs = maps::is_counting() && task::is_target(current);
    if belongs {
        maps::count(Counter::EndUnmatched);
    }
    belongs
}

/// The page that seemed to be allocated without an exception belonged to the fault that ends now, whose
/// START was not seen: it was in progress when counting began.
#[inline(always)]
fn take_back_allocation(state: &mut TaskState) {
    if state.allocated_loose == 0 {
        return;
    }
    state.allocated_loose = 0;
    if let Some((counts, shared)) = task::counts(state) {
        maps::add(&raw mut counts.gup, u64::MAX, shared);
    }
}
