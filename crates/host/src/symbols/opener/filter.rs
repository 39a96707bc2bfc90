//! System calls that opening never makes, refused for good.
//!
//! A list of what is refused: an opener may need whatever the C library makes of threads, files and
//! processes on any kernel, and its rights are needed for what stays. Landlock is no help: it refuses the
//! `/proc/PID/map_files` of others (security/landlock/task.c:hook_ptrace_access_check (v6.12)). The reader
//! inherits the list, and adds its own.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter};

/// What changes the machine, files by name or other processes, or would let any of these in by another door.
const REFUSED: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Connections; the pair that leads to the reader is none.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Files by name.
    libc::SYS_creat,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_utimensat,
    libc::SYS_futimesat,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // What is mounted, and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // The kernel and the machine.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Other doors: a ring makes calls that no filter sees.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_personality,
];

/// Refuses the calls to this thread and what it starts: to be called while it is the only one. Without
/// filters in the kernel the rights that were given up are all there is.
pub(super) fn install() {
    let _ = program().is_ok_and(|program| seccompiler::apply_filter(&program).is_ok());
}

fn program() -> Result<BpfProgram, BackendError> {
    let rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::ErrorKind, process::Command, thread};

    use nix::{
        sys::{
            prctl,
            wait::{WaitStatus, waitpid},
        },
        unistd::{ForkResult, fork},
    };

    use super::*;

    #[test]
    fn nothing_is_changed_and_what_opening_takes_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = folder.path().join("made");
        let refused = |done: std::io::Result<()>| {
            done.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        };
        // SAFETY: the child does what the C library allows after a fork, and ends.
        match unsafe { fork() }.expect("forks") {
            ForkResult::Child => {
                let _ = prctl::set_no_new_privs();
                install();
                let outcomes = [
                    refused(fs::create_dir(&made)),
                    refused(fs::remove_dir(folder.path())),
                    refused(std::net::TcpListener::bind("127.0.0.1:0").map(drop)),
                    refused(nix::unistd::chroot("/").map_err(Into::into)),
                    fs::read("/proc/self/stat").is_ok(),
                    crate::symbols::channel::Channel::pair().is_ok(),
                    thread::spawn(|| 7).join().is_ok_and(|seven| seven == 7),
                    Command::new("/bin/true")
                        .status()
                        .is_ok_and(|status| status.success()),
                ];
                let failed = outcomes.iter().position(|outcome| !outcome);
                let status = failed.map_or(0, |at| i32::try_from(at).unwrap_or(98) + 1);
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(status) }
            }
            ForkResult::Parent { child } => {
                let status = waitpid(child, None).expect("a child");
                assert_eq!(status, WaitStatus::Exited(child, 0), "the first that fails");
            }
        }
        assert!(!made.exists());
    }
}
