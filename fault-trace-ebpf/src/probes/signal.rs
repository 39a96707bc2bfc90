//! Signals: the kernel raised one for a bad access, or one is delivered and the thread moves on.

use aya_ebpf::{
    helpers::{bpf_ktime_get_ns, bpf_probe_read_kernel},
    programs::RawTracePointContext,
};
use fault_trace_common::{Closer, Evidence};

use crate::{
    close::{self, Closing},
    current::Current,
    stack, states, task,
};

/// Offsets in `siginfo_t`, a user-space ABI.
const SI_CODE: u64 = 8;
const SI_ADDR: u64 = 16;

/// `signal:signal_generate`.
pub(crate) fn generated(ctx: &RawTracePointContext) {
    let current = Current::get();
    let Some(state) = states::state(current) else {
        return;
    };
    if task::has_exited(current, state) {
        // An exiting thread tells the parent, which may reap it from now on (`do_notify_parent` in
        // kernel/signal.c). It has no address space any more, and so no fault in progress.
        close::down_to(state, 0, Closing::late(Closer::Exit));
        task::settle_exited(state);
        return;
    }
    let info: u64 = argument!(ctx, signal_generate.info);
    // 0 and 1 are SEND_SIG_NOINFO and SEND_SIG_PRIV.
    if state.open.depth == 0 || info <= 1 {
        return;
    }
    let task: u64 = argument!(ctx, signal_generate.task);
    if task != current.address() {
        return;
    }
    // SAFETY: the helper checks the address.
    let code: i32 = unsafe { bpf_probe_read_kernel((info + SI_CODE) as *const i32) }.unwrap_or(0);
    // SAFETY: the helper checks the address.
    let address: u64 =
        unsafe { bpf_probe_read_kernel((info + SI_ADDR) as *const u64) }.unwrap_or(0);
    // User space can send any signal, but no positive code.
    if code <= 0 {
        return;
    }
    let Some(index) = state.open.newest_at(address) else {
        return;
    };
    close::down_to(state, index + 1, Closing::late(Closer::OuterEnd));
    let number: u32 = argument!(ctx, signal_generate.sig);
    // SAFETY: no arguments to get wrong.
    let end_ns = unsafe { bpf_ktime_get_ns() };
    let closing = Closing {
        evidence: Evidence::NONE
            .with_closer(Closer::Signal)
            .with_signal(number as u8, code as i8)
            .word,
        end_ns,
        ip: 0,
    };
    stack::take(ctx, state, index, end_ns);
    close::newest(state, closing);
    stack::forget(state);
}

/// `signal:signal_deliver`: the thread is on its way to user mode.
pub(crate) fn delivered(ctx: &RawTracePointContext) {
    if let Some(state) = states::state(Current::get())
        && state.open.depth != 0
    {
        let mut closing = Closing::late(Closer::SignalDelivery);
        let number: u32 = argument!(ctx, signal_deliver.sig);
        closing.evidence |= Evidence::NONE.with_signal(number as u8, 0).word;
        close::down_to(state, 0, closing);
    }
}
