//! START: an exception entered its handler (`exceptions:page_fault_user`, and `page_fault_kernel` with
//! the same arguments).

use aya_ebpf::{helpers::bpf_ktime_get_ns, programs::RawTracePointContext};
use fault_trace_common::{
    Closer, Counter, Evidence, Region,
    open::{DEPTH, OpenFault},
    phase::Phases,
};

use crate::{
    close::{self, Closing},
    config,
    current::Current,
    maps, task,
};

pub(crate) fn user(ctx: &RawTracePointContext) {
    start(ctx, false);
}

pub(crate) fn kernel(ctx: &RawTracePointContext) {
    start(ctx, true);
}

#[inline(always)]
fn start(ctx: &RawTracePointContext, kernel_mode: bool) {
    let current = Current::get();
    let Some(state) = task::target_state(current) else {
        return;
    };
    if state.reading_stack != 0 {
        maps::count(Counter::OwnProbe);
        return;
    }
    let address: u64 = argument!(ctx, page_fault_user.address);
    let regs: u64 = argument!(ctx, page_fault_user.regs);
    let region = config::regions().of(address);
    let mode = if !kernel_mode {
        0
    } else if region == Region::User && current.accepts_faults() {
        Evidence::KERNEL_MODE | Evidence::CONFIRMED
    } else {
        Evidence::KERNEL_MODE
    };
    if state.open.depth != 0 {
        let keep = if kernel_mode {
            // Notes whether the newest is over.
            let _ = state.open.taking_evidence(close::instruction);
            let confirmed = mode & Evidence::CONFIRMED != 0;
            if confirmed && task::has_moved(current, state) {
                // Only outside of a fault the thread completes one without an exception.
                0
            } else {
                state.open.kept_by_kernel_start(regs, confirmed)
            }
        } else {
            0
        };
        close_older(state, keep, address);
    }
    if !task::starts_inside(current, state) {
        return;
    }
    task::note_cgroup(current, state);
    if let Some((counts, shared)) = task::counts(state) {
        maps::add(&raw mut counts.started, 1, shared);
    }
    state.open.push(&OpenFault {
        address,
        regs,
        // In kernel mode nothing keeps the registers until a late closer comes.
        ip: if kernel_mode {
            close::instruction(regs)
        } else {
            0
        },
        // SAFETY: no arguments to get wrong.
        start_ns: unsafe { bpf_ktime_get_ns() },
        evidence: Evidence::of(mode).with_region(region),
        page: 0,
        error_code: {
            let code: u64 = argument!(ctx, page_fault_user.error_code);
            code as u32
        },
        pages: 0,
        around_pages: 0,
        marks: 0,
        phases: Phases::NONE,
    });
}

/// Closes what this START proves over, and makes room.
#[inline(always)]
fn close_older(state: &mut fault_trace_common::wire::TaskState, keep: usize, address: u64) {
    let page_of = |address: u64| address >> 12;
    let mut closing = Closing::late(Closer::NextStart);
    if let Some(newest) = state.open.newest_mut()
        && newest.is_accepted()
        && page_of(newest.address) == page_of(address)
    {
        closing.evidence |= Evidence::of(Evidence::TRIED_AGAIN).word;
    }
    close::down_to(state, keep, closing);
    if state.open.depth() == DEPTH {
        close::oldest(state);
    }
}
