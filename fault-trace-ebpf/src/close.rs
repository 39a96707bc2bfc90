//! Closing a fault: class, latency, counts, record.

use core::hint::black_box;

use aya_ebpf::helpers::bpf_probe_read_kernel;
use fault_trace_common::{
    Closer, Counter, ErrorCode, Evidence, Facts, classify,
    histogram::bucket_of,
    ledger::Ledger,
    open::{DEPTH, OpenFault, OpenFaults},
    wire::{Counts, LATENCY_UNKNOWN, TaskState},
};

use crate::{
    away, config,
    current::Current,
    emit::{self, Closed, Stacks},
    log,
    maps::{CLASSES, OOM_VICTIMS, add, count},
    task,
};

/// How a fault was closed.
#[derive(Clone, Copy)]
pub(crate) struct Closing {
    /// What to add to the evidence: to its first word.
    pub(crate) evidence: u64,
    /// When it was over, ns; 0 if that was not seen in time.
    pub(crate) end_ns: u64,
    /// The faulting instruction; 0 if the closer does not know it.
    pub(crate) ip: u64,
}

impl Closing {
    /// Closed some time after it was over.
    #[inline(always)]
    pub(crate) const fn late(closer: Closer) -> Self {
        Self {
            evidence: Evidence::NONE.with_closer(closer).word,
            end_ns: 0,
            ip: 0,
        }
    }
}

/// Closes the newest faults until `keep` are left.
#[inline(always)]
pub(crate) fn down_to(state: &mut TaskState, keep: usize, closing: Closing) {
    for _ in 0..DEPTH {
        let depth = state.open.depth();
        if depth <= keep {
            break;
        }
        at(state, depth - 1, closing);
        state.open.pop();
    }
}

/// Closes the newest fault.
#[inline(always)]
pub(crate) fn newest(state: &mut TaskState, closing: Closing) {
    at(state, state.open.depth().saturating_sub(1), closing);
    state.open.pop();
}

/// Closes the only fault; in place, since nearly every fault ends here.
#[inline(always)]
pub(crate) fn only(current: Current, state: &mut TaskState, closing: Closing) {
    account(current, state, |open| &mut open.frames[0], closing);
    state.open.depth = 0;
}

/// Closes the oldest fault to make room.
#[inline(always)]
pub(crate) fn oldest(state: &mut TaskState) {
    count(Counter::NestingOverflow);
    let oldest = &state.open.frames[0];
    log::nesting_overflow(oldest.address, oldest.evidence.word);
    at(state, 0, Closing::late(Closer::Overflow));
    state.open.remove_oldest();
}

/// Accounts for the fault at `index`, which the caller then removes.
#[inline(always)]
fn at(state: &mut TaskState, index: usize, closing: Closing) {
    account_fault(
        state,
        index as u32,
        closing.evidence,
        closing.end_ns,
        closing.ip,
    );
}

/// Accounts for the open fault at `index`. Five arguments are the most that BPF allows.
///
/// Global and with a result, so that the verifier checks it once, and not on every path of every
/// caller.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn account_fault(
    state: *mut TaskState,
    index: u32,
    evidence: u64,
    end_ns: u64,
    ip: u64,
) -> u32 {
    // SAFETY: null or a live map value of this thread; the verifier makes sure.
    if let Some(state) = unsafe { state.as_mut() } {
        let closing = Closing {
            evidence,
            end_ns,
            ip,
        };
        account(
            Current::get(),
            state,
            |open| open.frame_mut(index as usize),
            closing,
        );
    }
    0
}

#[inline(always)]
fn account(
    current: Current,
    state: &mut TaskState,
    choose: impl FnOnce(&mut OpenFaults) -> &mut OpenFault,
    closing: Closing,
) {
    away::settle(state);
    if state.exited != 0 {
        task::settle_exited(state);
    }
    let Some((counts, shared)) = task::counts(state) else {
        return;
    };
    let stacks = Stacks {
        user: state.user_stack,
        kernel: state.kernel_stack,
        thinning: state.thinning,
    };
    let fault = choose(&mut state.open);
    fault.evidence.word |= closing.evidence;
    if closing.ip != 0 {
        fault.ip = closing.ip;
    }
    if !fault.evidence.any(Evidence::ENDED) && !note_missed_end(current, fault, &mut state.ledger) {
        look_closer(current, fault);
    }
    let latency_ns = latency(fault.start_ns, closing.end_ns);
    if fault.is_phased() {
        fault.phases.end_any(closing.end_ns);
    }
    count_thread(fault, latency_ns, counts, shared);
    let is_judged = state.judged.word == fault.evidence.word
        && (!Evidence::USES_MORE || state.judged.more == fault.evidence.more)
        && state.judged_code == fault.error_code;
    if !is_judged {
        let Evidence { word, more } = fault.evidence;
        state.judged = fault.evidence;
        state.judged_code = fault.error_code;
        state.verdict = classify_fault(word, more, u64::from(state.judged_code));
    }
    let verdict = WireVerdict(state.verdict);
    if !is_selected(fault, verdict.class()) {
        count_left_out(fault, latency_ns, counts, shared);
        return;
    }
    count_class(fault, latency_ns, verdict);
    if fault.is_phased() && latency_ns != LATENCY_UNKNOWN {
        let off_cpu_ns = fault.phases.spent_ns.iter().sum();
        add(&raw mut counts.off_cpu_ns, off_cpu_ns, shared);
    }
    let closed = Closed {
        fault,
        verdict,
        latency_ns,
        stacks,
    };
    emit::fault(current, &closed, &mut state.random, counts, shared);
}

/// A verdict as a number: class, and confidence in the second byte.
#[derive(Clone, Copy)]
pub(crate) struct WireVerdict(u32);

impl WireVerdict {
    #[inline(always)]
    pub(crate) const fn class(self) -> u8 {
        self.0 as u8
    }

    #[inline(always)]
    pub(crate) const fn confidence(self) -> u8 {
        (self.0 >> 8) as u8
    }
}

/// [`classify`] as a global function: the verifier forgets here by which of its many paths the
/// verdict came.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn classify_fault(word: u64, more: u64, error_code: u64) -> u32 {
    let verdict = classify(&Facts {
        // black_box: the verifier wants every argument to be set, also one that no flag makes use of yet.
        evidence: Evidence {
            word,
            more: black_box(more),
        },
        error_code: ErrorCode(error_code as u32),
        hooks: config::get!(hooks),
    });
    u32::from(verdict.class as u8) | u32::from(verdict.confidence as u8) << 8
}

#[inline(always)]
fn count_thread(fault: &OpenFault, latency_ns: u64, counts: &mut Counts, shared: bool) {
    let closed = if !fault.evidence.any(Evidence::ENDED) {
        &raw mut counts.failed
    } else if fault.evidence.any(Evidence::MAJOR) {
        &raw mut counts.major
    } else {
        &raw mut counts.minor
    };
    add(closed, 1, shared);
    if latency_ns != LATENCY_UNKNOWN {
        add(&raw mut counts.latency_ns, latency_ns, shared);
    }
}

/// A fault that the filters leave out.
#[inline(always)]
fn count_left_out(fault: &OpenFault, latency_ns: u64, counts: &mut Counts, shared: bool) {
    add(&raw mut counts.filtered, 1, shared);
    add(&raw mut counts.left_out, 1, shared);
    if !fault.evidence.any(Evidence::ENDED) {
        add(&raw mut counts.left_out_failed, 1, shared);
    } else if fault.evidence.any(Evidence::MAJOR) {
        add(&raw mut counts.left_out_major, 1, shared);
    }
    if latency_ns != LATENCY_UNKNOWN {
        add(&raw mut counts.left_out_ns, latency_ns, shared);
    }
}

#[inline(always)]
fn count_class(fault: &OpenFault, latency_ns: u64, verdict: WireVerdict) {
    let Some(class) = CLASSES.get_ptr_mut(u32::from(verdict.class())) else {
        return;
    };
    // SAFETY: a live map value of this CPU.
    let class = unsafe { &mut *class };
    // perf runs END programs with preemption off: they may add plainly. Others may be preempted.
    let shared = fault.evidence.closer_number() != Closer::End as u8;
    if latency_ns == LATENCY_UNKNOWN {
        add(&raw mut class.untimed, 1, shared);
    } else {
        if fault.is_phased() {
            for (sum, spent_ns) in class.phases_ns.iter_mut().zip(fault.phases.spent_ns) {
                add(sum, spent_ns, shared);
            }
        }
        // The compiler knows that the bucket exists, and must check it for the verifier anyway.
        if let Some(bucket) = class.buckets.get_mut(black_box(bucket_of(latency_ns))) {
            add(bucket, 1, shared);
        }
        add(&raw mut class.sum_ns, latency_ns, shared);
        class.max_ns = class.max_ns.max(latency_ns);
        class.min_ns_inverted = class.min_ns_inverted.max(!latency_ns);
    }
    add(
        &raw mut class.inferred,
        u64::from(verdict.confidence()),
        shared,
    );
    let major = fault.evidence.any(Evidence::MAJOR);
    add(&raw mut class.major, major.into(), shared);
    add(&raw mut class.pages, u64::from(fault.pages), shared);
}

/// Whether a fault without END was completed, as the thread's counters tell.
#[inline(always)]
fn note_missed_end(current: Current, fault: &mut OpenFault, ledger: &mut Ledger) -> bool {
    let closer = fault.evidence.closer_number();
    if closer == Closer::Signal as u8 || closer == Closer::Vsyscall as u8 {
        return false;
    }
    let Some(now) = current.fault_counters() else {
        return false;
    };
    // Nearly always: spares the look at the registers.
    if !ledger.has_moved(now) {
        return false;
    }
    let keeps_ip = fault.ip != 0 && instruction(fault.regs) == fault.ip;
    let Some(is_major) = ledger.take_completed(now, fault, keeps_ip) else {
        return false;
    };
    count(Counter::EndMissed);
    fault.evidence.set(Evidence::ENDED);
    if is_major {
        fault.evidence.set(Evidence::MAJOR);
    }
    true
}

/// What only a fault without END needs: its instruction, and whether the OOM killer was there.
#[inline(always)]
fn look_closer(current: Current, fault: &mut OpenFault) {
    if fault.evidence.any(Evidence::KERNEL_MODE) {
        // Nothing became resident: this came after it.
        fault.evidence.clear(Evidence::RSS_ANY);
    }
    let closer = fault.evidence.closer_number();
    if closer == Closer::NextStart as u8 || closer == Closer::OuterEnd as u8 {
        log::closer_missed(fault.address, fault.evidence.word);
    }
    let gone_on = closer == Closer::NextStart as u8 || closer == Closer::Overflow as u8;
    if fault.ip == 0 && !gone_on {
        // Not yet back in user mode: the registers are still those of the fault.
        fault.ip = instruction(fault.regs);
    }
    let dying = closer == Closer::SignalDelivery as u8 || closer == Closer::Exit as u8;
    if dying && OOM_VICTIMS.get_ptr(&current.pid()).is_some() {
        fault.evidence.set(Evidence::OOM_VICTIM);
    }
}

/// The instruction pointer saved in a `struct pt_regs` (x86-64; user-space ABI through ptrace).
#[inline(always)]
pub(crate) fn instruction(regs: u64) -> u64 {
    const IP_OFFSET: u64 = 128;
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel((regs + IP_OFFSET) as *const u64).unwrap_or(0) }
}

#[inline(always)]
fn latency(start_ns: u64, end_ns: u64) -> u64 {
    if end_ns == 0 {
        return LATENCY_UNKNOWN;
    }
    if end_ns < start_ns {
        count(Counter::ClockBackwards);
        return 0;
    }
    end_ns - start_ns
}

/// Whether the fault counts, by the selection of the run.
#[inline(always)]
fn is_selected(fault: &OpenFault, class: u8) -> bool {
    let mode = if fault.evidence.any(Evidence::KERNEL_MODE) {
        2
    } else {
        1
    };
    config::get!(filter.class_mask) & 1 << (class & 63) != 0
        && config::get!(filter.mode_mask) & mode != 0
        && config::get!(filter.address_first) <= fault.address
        && fault.address <= config::get!(filter.address_last)
}
