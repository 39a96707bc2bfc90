//! Stacks: read when a fault ends. Those that frame pointers lead through are sent once each, and
//! referred to by an id made from their frames; copies are sent with every fault.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    bindings::{BPF_F_USER_STACK, BPF_RB_NO_WAKEUP},
    helpers::{
        bpf_probe_read_kernel,
        generated::{bpf_get_stack, bpf_probe_read_user},
    },
};
use fault_trace_common::{
    Counter, Evidence,
    open::OpenFault,
    wire::{
        KIND_STACK, KIND_STACK_COPY, STACK_COPY_BYTES, STACK_FRAMES, STACK_HEADER_BYTES,
        STACKS_COPIED, STACKS_NONE, StackCopyRecord, StackRecord, THINNING_KEPT, THINNING_OUT,
        TaskState,
    },
};

use crate::{
    config,
    current::Current,
    emit,
    maps::{EVENTS, STACK, STACKS_SENT, count},
};

/// Takes the stacks of the fault at `index`, which ended at `end_ns`, unless it is thinned out.
#[inline(always)]
pub(crate) fn take(ctx: &impl EbpfContext, state: &mut TaskState, index: usize, end_ns: u64) {
    if config::get!(stacks) == STACKS_NONE {
        return;
    }
    let fault: &OpenFault = state.open.frame_mut(index);
    let kernel_mode = fault.evidence.any(Evidence::KERNEL_MODE);
    let (start_ns, regs) = (fault.start_ns, fault.regs);
    let latency_ns = end_ns.saturating_sub(start_ns);
    if emit::is_thinned_out(latency_ns, &mut state.random) {
        state.thinning = THINNING_OUT;
        return;
    }
    state.thinning = THINNING_KEPT;
    // Reading a user stack can fault: START leaves such faults out.
    state.reading_stack = 1;
    state.user_stack = if config::get!(stacks) == STACKS_COPIED {
        copy(
            start_ns,
            if kernel_mode {
                Current::get().user_registers()
            } else {
                regs
            },
        )
    } else {
        read(ctx, u64::from(BPF_F_USER_STACK))
    };
    state.kernel_stack = if kernel_mode { read(ctx, 0) } else { 0 };
    state.reading_stack = 0;
}

/// Forgets the stacks that [`take`] took.
#[inline(always)]
pub(crate) fn forget(state: &mut TaskState) {
    if config::get!(stacks) != STACKS_NONE {
        (state.user_stack, state.kernel_stack, state.thinning) = (0, 0, 0);
    }
}

/// Reads a stack and sends it if it is new; its id, 0 if there is none.
#[inline(always)]
fn read(ctx: &impl EbpfContext, flags: u64) -> u64 {
    const FRAMES_BYTES: u32 = (STACK_FRAMES * size_of::<u64>()) as u32;
    let Some(stack) = Current::get().storage::<StackRecord>(&STACK) else {
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
    // A key must lie on the program's own stack before Linux 6.2.
    let id = id_of(stack, length);
    stack.id = id;
    if STACKS_SENT.get_ptr(&id).is_none() {
        send(stack, length, id);
    }
    id
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
fn send(stack: &mut StackRecord, length: usize, id: u64) {
    stack.header = emit::header(KIND_STACK, 0, 0);
    // The mask changes nothing but what the verifier knows.
    let bytes = STACK_HEADER_BYTES + (core::hint::black_box(length) & STACK_FRAMES) * 8;
    // SAFETY: a live map value of at least so many bytes.
    let record =
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(stack).cast::<u8>(), bytes) };
    if EVENTS.output(record, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        count(Counter::StacksDropped);
    } else if STACKS_SENT.insert(&id, &1, 0).is_err() {
        count(Counter::StacksFull);
    }
}

/// Copies the top of the user stack that the registers saved at `regs` belong to. The id is made from the
/// time when the fault began and the thread, which tell it from others; 0 if nothing could be copied.
#[inline(always)]
fn copy(start_ns: u64, regs: u64) -> u64 {
    /// Offsets in `struct pt_regs` (x86-64; user-space ABI through ptrace).
    const BP: u64 = 32;
    const IP: u64 = 128;
    const SP: u64 = 152;
    // SAFETY: the helper checks the address.
    let register = |offset| unsafe { bpf_probe_read_kernel((regs + offset) as *const u64) };
    let (Ok(ip), Ok(sp), Ok(bp)) = (register(IP), register(SP), register(BP)) else {
        count(Counter::StackUnread);
        return 0;
    };
    let Some(mut entry) = EVENTS.reserve::<StackCopyRecord>(0) else {
        count(Counter::StacksDropped);
        return 0;
    };
    let record = entry.as_mut_ptr();
    // The high bits of the time hardly change within a run: the thread has them.
    let id = (start_ns ^ u64::from(Current::get().ids().1).rotate_right(24)) | 1;
    // SAFETY: reserved for a record; each field is written before it is submitted, but for bytes
    // beyond the length.
    unsafe {
        (*record).header = emit::header(KIND_STACK_COPY, 0, 0);
        (*record).id = id;
        (*record).ip = ip;
        (*record).sp = sp;
        (*record).bp = bp;
        (*record).length = read_up((&raw mut (*record).bytes).cast(), sp);
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    id
}

/// Reads user memory from `from` upwards, as much as there is of [`STACK_COPY_BYTES`]: a read fails
/// as a whole where the stack ends before it. Returns how many bytes.
#[inline(always)]
fn read_up(to: *mut c_void, from: u64) -> u64 {
    const PAGE: u32 = 4096;
    let to_page_end = PAGE - (from as u32 & (PAGE - 1));
    for bytes in [STACK_COPY_BYTES as u32, to_page_end + PAGE, to_page_end] {
        // SAFETY: there is room for the most that is read; the helper checks the user's address.
        if unsafe { bpf_probe_read_user(to, bytes, from as *const c_void) } == 0 {
            return bytes.into();
        }
    }
    count(Counter::StackUnread);
    0
}
