//! The faults a thread has open, as a small stack: a fault can nest in the handling of another.
//!
//! The kernel tells when a fault starts, but not always when it is over; later events prove it. The
//! rules, each a method that says how many frames stay open or which frame is meant:
//!
//! - A START from user mode proves everything over: user code ran.
//! - A START from kernel mode nests in an open fault, unless that one was itself taken in kernel
//!   mode and cannot be in progress any more: it was never confirmed (such a fault only goes through
//!   the exception table, which does not fault), or its saved registers lay at or below the new
//!   one's on the same stack (the stack grows down, so its frame has been popped). Interrupts and
//!   NMIs probe user memory from stacks of their own, whose place proves nothing.
//! - A START from kernel mode that is confirmed itself proves over all others from kernel mode: the
//!   handler at work does not fault in ways that the kernel accepts. The place of the registers alone
//!   does not tell (`randomize_kstack_offset`).
//! - A fault in kernel mode that the exception table ended is over, and takes no evidence, as soon as its
//!   saved registers tell so ([`OpenFaults::taking_evidence`]); it is closed by what comes next.
//! - An END or a signal belongs to the newest frame of the same address that can have one: a probe
//!   may have looked at the very address whose fault was in progress. What nested in that is over.

use core::hint::black_box;

use crate::{
    evidence::Evidence,
    phase::{Phase, Phases},
};

/// How many faults may nest; one more gives up the oldest.
pub const DEPTH: usize = 4;

/// The kernel's stacks are aligned to this at least (`THREAD_SIZE`, arch/x86 without KASAN).
const STACK_ALIGNMENT_BYTES: u64 = 16 << 10;

/// In [`OpenFault::marks`]: `phases` holds something. Most faults have none, and spare its making.
pub const PHASED: u32 = 1;
/// In [`OpenFault::marks`]: the exception table is known to have ended the fault.
pub const OVER: u32 = 2;

/// A fault between its START and its END or closer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct OpenFault {
    pub address: u64,
    /// Where the kernel saved the registers (`struct pt_regs *`).
    pub regs: u64,
    /// The faulting instruction; 0 while unknown.
    pub ip: u64,
    /// START, ns of CLOCK_MONOTONIC.
    pub start_ns: u64,
    pub evidence: Evidence,
    /// The user page last allocated (`struct page *`).
    pub page: u64,
    pub error_code: u32,
    /// Base pages allocated.
    pub pages: u32,
    /// Base pages that fault-around may have mapped.
    pub around_pages: u32,
    /// [`PHASED`] and [`OVER`]. One word: the compiler makes a call of more zeros in a row.
    pub marks: u32,
    pub phases: Phases,
}

impl OpenFault {
    #[inline(always)]
    const fn is_kernel_mode(&self) -> bool {
        self.evidence.any(Evidence::KERNEL_MODE)
    }

    /// Whether `phases` holds anything.
    #[inline(always)]
    #[must_use]
    pub const fn is_phased(&self) -> bool {
        self.marks & PHASED != 0
    }

    /// Whether the exception table is known to have ended it.
    #[inline(always)]
    const fn is_over(&self) -> bool {
        self.marks & OVER != 0
    }

    /// Whether the handler accepted the access, so that `handle_mm_fault` was at work.
    #[inline(always)]
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        !self.is_kernel_mode() || self.evidence.any(Evidence::CONFIRMED)
    }

    /// Whether `handle_mm_fault` may be at work, so that what the thread does is this fault's doing.
    #[inline(always)]
    #[must_use]
    pub const fn takes_evidence(&self) -> bool {
        // One test for nearly all faults.
        if self.is_kernel_mode() {
            self.evidence.any(Evidence::CONFIRMED) && !self.is_over()
        } else {
            true
        }
    }

    /// Whether this fault is over, given the instruction pointer that its saved registers hold now.
    ///
    /// The handler ends a fault in kernel mode either with an END, or by sending the access to its entry in
    /// the exception table: it overwrites the saved instruction pointer (`fixup_exception` in
    /// arch/x86/mm/extable.c). Later calls may overwrite the rest of that place on the stack, but the old
    /// value only comes back with another exception of the same instruction there.
    #[inline(always)]
    const fn is_fixed_up(&self, saved_ip: u64) -> bool {
        self.ip != 0 && saved_ip != self.ip
    }

    /// A stretch of a phase begins.
    #[inline(always)]
    pub const fn begin_phase(&mut self, phase: Phase, now_ns: u64) {
        if !self.is_phased() {
            self.marks |= PHASED;
            self.phases = Phases::NONE;
        }
        self.phases.begin(phase, now_ns);
    }

    /// The stretch of a phase ends.
    #[inline(always)]
    pub fn end_phase(&mut self, phase: Phase, now_ns: u64) {
        if self.is_phased() {
            self.phases.end(phase, now_ns);
        }
    }

    /// Whether a START from kernel mode with its registers at `regs` proves this fault over.
    #[inline(always)]
    const fn is_over_at_kernel_start(&self, regs: u64, confirmed: bool) -> bool {
        let same_stack = (regs ^ self.regs) < STACK_ALIGNMENT_BYTES;
        self.is_kernel_mode()
            && (confirmed || !self.takes_evidence() || (same_stack && regs >= self.regs))
    }
}

/// The open faults of a thread, oldest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct OpenFaults {
    pub frames: [OpenFault; DEPTH],
    pub depth: u32,
    pub padding: u32,
}

impl OpenFaults {
    /// The number of open faults, never more than [`DEPTH`].
    #[inline(always)]
    #[must_use]
    pub const fn depth(&self) -> usize {
        let depth = self.depth as usize;
        if depth > DEPTH { DEPTH } else { depth }
    }

    /// How many of the oldest frames stay open at a START from kernel mode, confirmed or not.
    #[inline(always)]
    #[must_use]
    pub fn kept_by_kernel_start(&self, regs: u64, confirmed: bool) -> usize {
        let mut keep = self.depth();
        for index in (0..DEPTH).rev() {
            if index + 1 == keep && self.frames[index].is_over_at_kernel_start(regs, confirmed) {
                keep = index;
            }
        }
        keep
    }

    /// Whether one fault is open, at this address, that an END or a signal can be about: nearly always.
    #[inline(always)]
    #[must_use]
    pub const fn is_only_at(&self, address: u64) -> bool {
        let [fault, ..] = &self.frames;
        self.depth == 1 && fault.address == address && fault.takes_evidence()
    }

    /// The newest frame with this address that an END or a signal can be about.
    #[inline(always)]
    #[must_use]
    pub fn newest_at(&self, address: u64) -> Option<usize> {
        let depth = self.depth();
        (0..DEPTH).rev().find(|&index| {
            let fault = &self.frames[index];
            index < depth && fault.address == address && fault.takes_evidence()
        })
    }

    /// The frame at `index`, which is below [`DEPTH`].
    ///
    /// The mask changes nothing but what the verifier knows: before 6.8 it learns no bounds from `!= 0`.
    /// black_box keeps the compiler, which knows better, from leaving it out.
    #[inline(always)]
    pub fn frame_mut(&mut self, index: usize) -> &mut OpenFault {
        const { assert!(DEPTH.is_power_of_two()) };
        &mut self.frames[black_box(index) & (DEPTH - 1)]
    }

    /// The newest open fault.
    #[inline(always)]
    pub fn newest_mut(&mut self) -> Option<&mut OpenFault> {
        let newest = self.depth().checked_sub(1)?;
        Some(self.frame_mut(newest))
    }

    /// The newest open fault, if what the thread does now is its doing. `saved_ip` reads the instruction
    /// pointer of registers that an exception saved, see [`OpenFault::regs`]; it is only asked about a fault
    /// in kernel mode, which may be over without a trace.
    #[inline(always)]
    pub fn taking_evidence(&mut self, saved_ip: impl FnOnce(u64) -> u64) -> Option<&mut OpenFault> {
        let fault = self.newest_mut()?;
        if fault.is_kernel_mode() {
            if !fault.takes_evidence() {
                return None;
            }
            if fault.is_fixed_up(saved_ip(fault.regs)) {
                fault.marks |= OVER;
                return None;
            }
        }
        Some(fault)
    }

    /// The same without asking, so that a fault in kernel mode may be over: for evidence that counts of
    /// completed faults only.
    #[inline(always)]
    pub fn perhaps_taking_evidence(&mut self) -> Option<&mut OpenFault> {
        self.newest_mut().filter(|fault| fault.takes_evidence())
    }

    /// Whether no fault is in progress, as far as [`OpenFaults::taking_evidence`] has found.
    #[inline(always)]
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        let [fault, ..] = &self.frames;
        self.depth == 0 || (self.depth == 1 && fault.is_over())
    }

    /// Opens one more fault, which has no phases yet. Call only with fewer than [`DEPTH`] open.
    #[inline(always)]
    pub fn push(&mut self, fault: &OpenFault) {
        let depth = self.depth();
        let Some(frame) = self.frames.get_mut(depth) else {
            return;
        };
        // All but the phases, which are long and seldom wanted.
        frame.address = fault.address;
        frame.regs = fault.regs;
        frame.ip = fault.ip;
        frame.start_ns = fault.start_ns;
        frame.evidence = fault.evidence;
        if depth > 0 {
            frame.evidence.set(Evidence::NESTED);
        }
        frame.page = fault.page;
        frame.error_code = fault.error_code;
        frame.pages = fault.pages;
        frame.around_pages = fault.around_pages;
        frame.marks = 0;
        self.depth = depth as u32 + 1;
    }

    /// Removes the newest fault, which the caller has accounted for.
    #[inline(always)]
    pub fn pop(&mut self) {
        self.depth = (self.depth() as u32).saturating_sub(1);
    }

    /// Removes the oldest fault, which the caller has accounted for.
    #[inline(always)]
    pub fn remove_oldest(&mut self) {
        for index in 1..DEPTH {
            self.frames[index - 1] = self.frames[index];
        }
        self.pop();
    }
}
