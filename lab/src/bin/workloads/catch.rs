//! Accesses that are expected to end in a signal, and the handler that goes on after them.

use std::{
    arch::asm,
    sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use anyhow::{Context as _, ensure};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Where to go on after the access under way; 0 if none is.
static RESUME: AtomicU64 = AtomicU64::new(0);
/// The stack pointer to go on with.
static STACK: AtomicU64 = AtomicU64::new(0);
static CAUGHT: AtomicUsize = AtomicUsize::new(0);
/// `si_code` of the last signal.
static CODE: AtomicI32 = AtomicI32::new(0);
/// `si_addr` of the last signal.
static ADDRESS: AtomicUsize = AtomicUsize::new(0);

/// Catches a signal that faults raise. Accesses are for one thread at a time.
pub(crate) struct Catcher(());

impl Catcher {
    pub(crate) fn new(signal: Signal) -> anyhow::Result<Self> {
        install(signal, skip_access, SaFlags::empty())?;
        Ok(Self(()))
    }

    /// An error unless so many signals came, the last with this `si_code`, for this address.
    pub(crate) fn ensure(&self, count: usize, code: i32, address: usize) -> anyhow::Result<()> {
        let caught = (CAUGHT.load(SeqCst), CODE.load(SeqCst), ADDRESS.load(SeqCst));
        ensure!(
            caught == (count, code, address),
            "expected {count} signals, the last with si_code {code} and si_addr {address:#x}; \
             caught {} with {} and {:#x}",
            caught.0,
            caught.1,
            caught.2,
        );
        Ok(())
    }

    /// Starts counting anew.
    pub(crate) fn forget(&self) {
        CAUGHT.store(0, SeqCst);
    }

    /// `si_code` of the last signal.
    pub(crate) fn code(&self) -> i32 {
        CODE.load(SeqCst)
    }
}

/// A handler with the signal's details and the interrupted context.
pub(crate) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// Installs a handler.
pub(crate) fn install(signal: Signal, handler: Handler, flags: SaFlags) -> anyhow::Result<()> {
    let action = SigAction::new(SigHandler::SigAction(handler), flags, SigSet::empty());
    // SAFETY: the handlers here only use atomics, raw memory and async-signal-safe calls.
    unsafe { sigaction(signal, &action) }.context("sigaction")?;
    Ok(())
}

/// Notes the signal down.
fn note(info: *mut libc::siginfo_t) {
    // SAFETY: the kernel passes a valid siginfo_t.
    let info = unsafe { &*info };
    // SAFETY: these signals come from faults, which set the address.
    ADDRESS.store(unsafe { info.si_addr() }.addr(), SeqCst);
    CODE.store(info.si_code, SeqCst);
    CAUGHT.fetch_add(1, SeqCst);
}

/// Goes on after the refused access, as a language runtime does.
extern "C" fn skip_access(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    note(info);
    let resume = RESUME.swap(0, SeqCst);
    if resume == 0 {
        // Not ours: a real crash.
        std::process::abort();
    }
    // SAFETY: SA_SIGINFO handlers get a ucontext_t.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    context.uc_mcontext.gregs[libc::REG_RIP as usize] = resume.cast_signed();
}

/// Reads a byte, if that is allowed.
pub(crate) fn try_read(address: usize) {
    // SAFETY: the access is done or skipped; the byte goes to a register that is thrown away.
    unsafe {
        asm!(
            "lea {scratch}, [rip + 2f]",
            "mov [{resume}], {scratch}",
            "mov {scratch:l}, byte ptr [{address}]",
            "2:",
            scratch = out(reg_abcd) _,
            resume = in(reg) RESUME.as_ptr(),
            address = in(reg) address,
        );
    }
}

/// Writes a byte, if that is allowed.
pub(crate) fn try_write(address: usize) {
    // SAFETY: the access is done or skipped; the memory is only used by scenarios.
    unsafe {
        asm!(
            "lea {scratch}, [rip + 2f]",
            "mov [{resume}], {scratch}",
            "mov byte ptr [{address}], 1",
            "2:",
            scratch = out(reg) _,
            resume = in(reg) RESUME.as_ptr(),
            address = in(reg) address,
        );
    }
}

/// Jumps to where no code can be run.
pub(crate) fn try_execute(address: usize) {
    // SAFETY: the fetch is refused, and the handler goes on at the label.
    unsafe {
        asm!(
            "lea {scratch}, [rip + 2f]",
            "mov [{resume}], {scratch}",
            "jmp {address}",
            "2:",
            scratch = out(reg) _,
            resume = in(reg) RESUME.as_ptr(),
            address = in(reg) address,
        );
    }
}

/// Leaves the handler for good, as `siglongjmp` does: no `rt_sigreturn`.
pub(crate) extern "C" fn jump_out(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    note(info);
    // SAFETY: `read_or_jump` is waiting at the label, with its stack pointer kept, and takes every
    // other register for lost; the frames in between own nothing.
    unsafe {
        asm!(
            "mov rsp, {stack}",
            "jmp {resume}",
            stack = in(reg) STACK.load(SeqCst),
            resume = in(reg) RESUME.load(SeqCst),
            options(noreturn),
        );
    }
}

/// Reads a byte; [`jump_out`] comes back here if that is refused.
pub(crate) fn read_or_jump(address: usize) {
    // SAFETY: rbx and rbp are kept on the stack, rsp in `STACK`; all others are given up.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "lea rax, [rip + 2f]",
            "mov [rcx], rax",
            "mov [rdx], rsp",
            "mov al, byte ptr [rsi]",
            "2:",
            "pop rbp",
            "pop rbx",
            inout("rax") 0u64 => _,
            inout("rcx") RESUME.as_ptr() => _,
            inout("rdx") STACK.as_ptr() => _,
            inout("rsi") address => _,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
            clobber_abi("C"),
        );
    }
}
