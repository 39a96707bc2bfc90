//! Bad addresses left for the kernel to find when a thread exits.

use std::{ffi::c_void, io, mem::MaybeUninit, ptr};

use nix::{
    sys::wait::waitpid,
    unistd::{ForkResult, fork},
};

/// Children, one after another, that each leave one.
pub(crate) fn children(count: usize) {
    for _ in 0..count {
        // SAFETY: this thread is the only one, and the child ends without the runtime.
        match unsafe { fork() }.expect("forks") {
            ForkResult::Child => {
                leave_a_bad_list();
                // SAFETY: ends the process, nothing else.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => {
                waitpid(child, None).expect("the child ends");
            }
        }
    }
}

/// Threads, one after another, that each leave one.
pub(crate) fn threads(count: usize) {
    for _ in 0..count {
        let mut thread = MaybeUninit::uninit();
        // SAFETY: a plain thread, which is joined; its function takes no argument.
        unsafe {
            let failed =
                libc::pthread_create(thread.as_mut_ptr(), ptr::null(), run, ptr::null_mut());
            assert_eq!(failed, 0, "{}", io::Error::from_raw_os_error(failed));
            let failed = libc::pthread_join(thread.assume_init(), ptr::null_mut());
            assert_eq!(failed, 0, "{}", io::Error::from_raw_os_error(failed));
        }
    }
}

extern "C" fn run(_: *mut c_void) -> *mut c_void {
    leave_a_bad_list();
    ptr::null_mut()
}

/// `exit_robust_list` in kernel/futex/core.c reads the head of this list, once, and gives up.
fn leave_a_bad_list() {
    /// Below what programs may map (`vm.mmap_min_addr`).
    const NOTHING: usize = 0x1000;
    /// Of `struct robust_list_head`.
    const BYTES: usize = 24;
    // SAFETY: the kernel checks the address when it reads it.
    let failed = unsafe { libc::syscall(libc::SYS_set_robust_list, NOTHING, BYTES) };
    assert_eq!(failed, 0, "{}", io::Error::last_os_error());
}
