//! The one thing that the filter of system calls lets happen by name: opening again what is open.
//!
//! blazesym takes paths. A path `/proc/self/fd/N` stands for the file that was sent as N; opening it
//! for real would take rights on the file. So the filter raises SIGSYS for all calls with a path, and
//! the handler here gives a duplicate. Whatever else is tried fails.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_long, c_void},
    io, ptr,
    sync::atomic::{AtomicI32, AtomicPtr, Ordering},
};

/// Descriptors below are not files that were sent.
const FIRST_FILE: c_int = 5;

/// A path that stands for a file beside `/proc/self/fd/N`, and that file.
static SHARED_PATH: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());
static SHARED_FILE: AtomicI32 = AtomicI32::new(-1);

/// Lets `path` stand for an open file, and what it stood for before no more. The path is kept until
/// the process ends: there are as many as files share their debug information.
pub(super) fn share(path: Option<(CString, c_int)>) {
    SHARED_FILE.store(-1, Ordering::Relaxed);
    if let Some((path, file)) = path {
        SHARED_PATH.store(path.into_raw(), Ordering::Relaxed);
        SHARED_FILE.store(file, Ordering::Relaxed);
    }
}

/// Sets the handler.
pub(super) fn install() -> io::Result<()> {
    // SAFETY: all zeros is a valid value; the fields that matter are set.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = handle;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
    // SAFETY: the handler makes system calls and reads memory only.
    if unsafe { libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn handle(_signal: c_int, _info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes the interrupted thread's context, which is ours to change.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let register = |which: c_int| registers[usize::try_from(which).unwrap_or(0)];
    let arguments = [
        register(libc::REG_RDI),
        register(libc::REG_RSI),
        register(libc::REG_RDX),
        register(libc::REG_R10),
        register(libc::REG_R8),
    ];
    // The kernel puts the number back (`seccomp: syscall_rollback`, arch/x86/include/asm/syscall.h).
    let call = register(libc::REG_RAX);
    registers[usize::try_from(libc::REG_RAX).unwrap_or(0)] = answer(call, arguments);
}

/// What the call returns.
fn answer(call: c_long, arguments: [c_long; 5]) -> c_long {
    let path = match call {
        libc::SYS_open | libc::SYS_stat => arguments[0],
        libc::SYS_openat | libc::SYS_newfstatat | libc::SYS_statx => arguments[1],
        // As if nothing were a link.
        libc::SYS_readlink | libc::SYS_readlinkat | libc::SYS_access | libc::SYS_faccessat => {
            return -c_long::from(libc::EACCES);
        }
        _ => return -c_long::from(libc::EPERM),
    };
    // SAFETY: whoever makes these calls passes a string; the process has nothing else to lose.
    let Some(file) = file(unsafe { CStr::from_ptr(path as *const c_char) }) else {
        return -c_long::from(libc::ENOENT);
    };
    // SAFETY: with the caller's own buffers, whose sizes the calls fix.
    let result = unsafe {
        match call {
            libc::SYS_open | libc::SYS_openat => {
                c_long::from(libc::fcntl(file, libc::F_DUPFD_CLOEXEC, FIRST_FILE))
            }
            libc::SYS_stat => libc::syscall(libc::SYS_fstat, file, arguments[1]),
            libc::SYS_newfstatat => libc::syscall(libc::SYS_fstat, file, arguments[2]),
            _ => libc::syscall(
                libc::SYS_statx,
                file,
                c"".as_ptr(),
                libc::AT_EMPTY_PATH,
                arguments[3],
                arguments[4],
            ),
        }
    };
    if result == -1 {
        // SAFETY: points to this thread's number.
        return -c_long::from(unsafe { *libc::__errno_location() });
    }
    result
}

/// The file that a path stands for.
fn file(path: &CStr) -> Option<c_int> {
    let shared = SHARED_FILE.load(Ordering::Relaxed);
    let shared_path = SHARED_PATH.load(Ordering::Relaxed);
    if shared >= FIRST_FILE && !shared_path.is_null() {
        // SAFETY: paths that were shared stay.
        if unsafe { CStr::from_ptr(shared_path) } == path {
            return Some(shared);
        }
    }
    let digits = path.to_bytes().strip_prefix(b"/proc/self/fd/")?;
    let number = digits.iter().try_fold(0, |number: c_int, digit| {
        let digit = c_int::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        number.checked_mul(10)?.checked_add(digit)
    })?;
    (!digits.is_empty() && number >= FIRST_FILE).then_some(number)
}
