//! Stacks: read when a fault ends, sent once each, referred to by an id made from their frames.

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_USER_STACK, BPF_RB_NO_WAKEUP},
    helpers::generated::bpf_get_stack,
};
use fault_trace_common::{
    Counter, Evidence,
    open::OpenFault,
    wire::{
        KIND_STACK, STACK_FRAMES, STACK_HEADER_BYTES, StackRecord, THINNING_KEPT, THINNING_OUT,
        TaskState,
    },
};

use crate::{
    config, emit,
    maps::{EVENTS, STACK, STACKS_SENT, count},
    task,
};

/// Takes the stacks of the fault at `index`, which ended at `end_ns`, unless it is thinned out.
#[inline(always)]
pub(crate) fn take(ctx: &impl EbpfContext, state: &mut TaskState, index: usize, end_ns: u64) {
    if config::get!(stacks) == 0 {
        return;
    }
    let fault: &OpenFault = state.open.frame_mut(index);
    let kernel_mode = fault.evidence.any(Evidence::KERNEL_MODE);
    let latency_ns = end_ns.saturating_sub(fault.start_ns);
    if emit::is_thinned_out(latency_ns) {
        state.thinning = THINNING_OUT;
        return;
    }
    state.thinning = THINNING_KEPT;
    // Reading a user stack can fault: START leaves such faults out.
    state.reading_stack = 1;
    state.user_stack = read(ctx, u64::from(BPF_F_USER_STACK));
    state.kernel_stack = if kernel_mode { read(ctx, 0) } else { 0 };
    state.reading_stack = 0;
}

/// Forgets the stacks that [`take`] took.
#[inline(always)]
pub(crate) fn forget(state: &mut TaskState) {
    if config::get!(stacks) != 0 {
        (state.user_stack, state.kernel_stack, state.thinning) = (0, 0, 0);
    }
}

/// Reads a stack and sends it if it is new; its id, 0 if there is none.
#[inline(always)]
fn read(ctx: &impl EbpfContext, flags: u64) -> u64 {
    const FRAMES_BYTES: u32 = (STACK_FRAMES * size_of::<u64>()) as u32;
    let Some(stack) = task::storage::<StackRecord>(&STACK) else {
        count(Counter::StackUnread);
        return 0;
    };
    // SAFETY: a live map value of that size, which only this thread uses.
    let bytes = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            stack.frames.as_mut_ptr().cast(),
            FRAMES_BYTES,
            flags,
        )
    };
    if bytes <= 0 {
        count(Counter::StackUnread);
        return 0;
    }
    stack.length = bytes as u64 / size_of::<u64>() as u64;
    finish_stack(stack)
}

/// Names the stack and sends it if it is new. Global, so that the verifier checks the loop once.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn finish_stack(stack: *mut StackRecord) -> u64 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    let Some(stack) = (unsafe { stack.as_mut() }) else {
        return 0;
    };
    let length = (stack.length as usize).min(STACK_FRAMES);
    stack.id = id_of(stack, length);
    if STACKS_SENT.get_ptr(&stack.id).is_none() {
        send(stack, length);
    }
    stack.id
}

/// A mixing of the frames: 64 bits, so that different stacks hardly ever share one. Never 0.
#[inline(always)]
fn id_of(stack: &StackRecord, length: usize) -> u64 {
    // Odd and without pattern: the fraction of the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut id = length as u64;
    for index in 0..STACK_FRAMES {
        if index >= length {
            break;
        }
        id = (id ^ stack.frames[index]).wrapping_mul(FACTOR);
        id ^= id >> 29;
    }
    id | 1
}

#[inline(always)]
fn send(stack: &mut StackRecord, length: usize) {
    stack.header = emit::header(KIND_STACK, 0, 0);
    // The mask changes nothing but what the verifier knows.
    let bytes = STACK_HEADER_BYTES + (core::hint::black_box(length) & STACK_FRAMES) * 8;
    // SAFETY: a live map value of at least so many bytes.
    let record =
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(stack).cast::<u8>(), bytes) };
    if EVENTS.output(record, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        count(Counter::StacksDropped);
    } else if STACKS_SENT.insert(&stack.id, &1, 0).is_err() {
        count(Counter::StacksFull);
    }
}
