//! Anomalies, told to whoever debugs the programs (`--debug-ebpf`). The loader sets
//! [`DEBUGGING`]: otherwise the verifier sees dead code here, and removes it.

use aya_ebpf::{
    Global,
    helpers::{bpf_get_current_pid_tgid, bpf_get_current_task},
};

/// 1 if anomalies are told.
#[unsafe(no_mangle)]
static DEBUGGING: Global<u8> = Global::new(0);

#[inline(always)]
fn is_debugging() -> bool {
    DEBUGGING.load() != 0
}

/// An END whose START was not seen, of the fault at `address`.
#[inline(always)]
pub(crate) fn end_unmatched(address: u64, evidence: u64) {
    if is_debugging() {
        tell_end_unmatched(address, evidence);
    }
}

/// The oldest of a thread's open faults is given up: too many are nested in one another.
#[inline(always)]
pub(crate) fn nesting_overflow(address: u64, evidence: u64) {
    if is_debugging() {
        tell_nesting_overflow(address, evidence);
    }
}

/// A fault was found to be over by what came after it: nothing that closes faults was seen.
#[inline(always)]
pub(crate) fn closer_missed(address: u64, evidence: u64) {
    if is_debugging() {
        tell_closer_missed(address, evidence);
    }
}

/// The place of the current thread's state is another's. The address told is that of its `task_struct`.
#[inline(always)]
pub(crate) fn state_claimed() {
    if is_debugging() {
        // As a number: a global function takes no pointer to a task.
        // SAFETY: no arguments to get wrong.
        tell_state_claimed(unsafe { bpf_get_current_task() }, 0);
    }
}

/// Functions that tell of an anomaly of the current thread. Global, so that the verifier checks each
/// once; and each with a text that is known when it is compiled.
macro_rules! tell {
    ($($name:ident: $text:literal;)*) => {
        $(
            #[unsafe(no_mangle)]
            #[inline(never)]
            extern "C" fn $name(address: u64, evidence: u64) -> u32 {
                let ids = bpf_get_current_pid_tgid();
                let (pid, tid) = ((ids >> 32) as u32, ids as u32);
                aya_log_ebpf::warn!(&(), $text, pid, tid, address, evidence);
                0
            }
        )*
    };
}

tell! {
    tell_end_unmatched: "END without START: pid {} tid {} address 0x{:x} evidence 0x{:x}";
    tell_nesting_overflow: "nesting overflow: pid {} tid {} address 0x{:x} evidence 0x{:x}";
    tell_closer_missed: "closer missed: pid {} tid {} address 0x{:x} evidence 0x{:x}";
    tell_state_claimed: "state claimed by another thread: pid {} tid {} address 0x{:x} evidence 0x{:x}";
}
