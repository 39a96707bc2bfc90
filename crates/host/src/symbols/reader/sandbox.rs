//! Giving up every right.
//!
//! What stays: memory up to a bound, the files that were sent, one socket.

use std::{collections::BTreeMap, io};

use caps::CapSet;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, Scope,
};
use nix::{
    sys::{
        prctl,
        resource::{Resource, setrlimit},
    },
    unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::emulation;
use crate::symbols::helper::die_with_parent;

/// The user that owns nothing (`overflowuid`, kernel/sys.c).
const NOBODY: u32 = 65_534;

/// Memory of its own, bytes. Mapped files do not count; the opener looks after those.
const DATA_MAX: u64 = 256 << 20;
/// Files open at once: those that were sent.
const FILES_MAX: u64 = 1024;

/// Gives up every right; an error says which could not be.
pub(super) fn enter() -> Result<(), String> {
    let told = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
    limits().map_err(told("limits"))?;
    // Takes a right that goes with the ids.
    for capability in caps::read(None, CapSet::Bounding).unwrap_or_default() {
        let _ = caps::drop(None, CapSet::Bounding, capability);
    }
    identity().map_err(told("ids"))?;
    capabilities()?;
    prctl::set_no_new_privs().map_err(|error| told("no_new_privs")(error.into()))?;
    // Its ids changed, which undid both.
    prctl::set_dumpable(false).map_err(|error| told("dumpable")(error.into()))?;
    die_with_parent().map_err(told("parent"))?;
    let rules = landlock();
    let calls = emulation::install()
        .map_err(|error| error.to_string())
        .and_then(|()| filter());
    // Either keeps it from opening anything.
    match (rules, calls) {
        (Err(rules), Err(calls)) => Err(format!("Landlock: {rules}; seccomp: {calls}")),
        _ => Ok(()),
    }
}

fn limits() -> io::Result<()> {
    for (resource, most) in [
        (Resource::RLIMIT_DATA, DATA_MAX),
        (Resource::RLIMIT_NOFILE, FILES_MAX),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
        (Resource::RLIMIT_NPROC, 0),
    ] {
        let (_, hard) = nix::sys::resource::getrlimit(resource)?;
        let most = most.min(hard);
        setrlimit(resource, most, most)?;
    }
    Ok(())
}

/// Another user than any that owns files, if it may choose.
fn identity() -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    // A user namespace may not have that user; without capabilities root is a user like others.
    let _ = setgroups(&[]);
    if setresgid(group, group, group).is_ok() {
        let _ = setresuid(user, user, user);
    }
    Ok(())
}

fn capabilities() -> Result<(), String> {
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set).map_err(|error| format!("capabilities: {error}"))?;
    }
    let _ = caps::clear(None, CapSet::Ambient);
    Ok(())
}

/// No file may be opened, no port bound or connected to, nobody signalled.
fn landlock() -> Result<(), String> {
    let abi = ABI::V6;
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|rules| rules.no_new_privs(true).restrict_self())
        .map_err(|error| error.to_string())?;
    if restricted.ruleset == RulesetStatus::NotEnforced {
        return Err("the kernel has none".to_owned());
    }
    Ok(())
}

/// Only what reading takes: other calls raise SIGSYS, which [`emulation`] answers.
fn filter() -> Result<(), String> {
    let filter = SeccompFilter::new(
        rules().map_err(|error| error.to_string())?,
        SeccompAction::Trap,
        SeccompAction::Allow,
        std::env::consts::ARCH
            .try_into()
            .map_err(|error: seccompiler::BackendError| error.to_string())?,
    )
    .map_err(|error| error.to_string())?;
    let program: BpfProgram = filter
        .try_into()
        .map_err(|error: seccompiler::BackendError| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn rules() -> Result<Rules, seccompiler::BackendError> {
    // Their effects stay inside the process and with the files that it has.
    let free = [
        libc::SYS_read,
        libc::SYS_pread64,
        libc::SYS_readv,
        libc::SYS_lseek,
        libc::SYS_fstat,
        libc::SYS_close,
        libc::SYS_sendmsg,
        libc::SYS_recvmsg,
        libc::SYS_poll,
        libc::SYS_ppoll,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_rt_sigreturn,
        libc::SYS_rt_sigprocmask,
        libc::SYS_sigaltstack,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_sched_yield,
        libc::SYS_restart_syscall,
    ];
    let mut rules: Rules = free.into_iter().map(|call| (call, Vec::new())).collect();
    let execute = libc::PROT_EXEC.cast_unsigned().into();
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![when(2, SeccompCmpOp::MaskedEq(execute), 0)?]);
    }
    let numbers = [libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_GETFL];
    let numbers = numbers.map(|number| when(1, SeccompCmpOp::Eq, number.cast_unsigned().into()));
    rules.insert(
        libc::SYS_fcntl,
        numbers.into_iter().collect::<Result<_, _>>()?,
    );
    // To abort: when memory is refused, for one.
    let own = when(0, SeccompCmpOp::Eq, std::process::id().into())?;
    rules.insert(libc::SYS_tgkill, vec![own]);
    // About an open file, without a path.
    let empty = u64::from(libc::AT_EMPTY_PATH.cast_unsigned());
    for (call, flags) in [(libc::SYS_newfstatat, 3), (libc::SYS_statx, 2)] {
        rules.insert(
            call,
            vec![when(flags, SeccompCmpOp::MaskedEq(empty), empty)?],
        );
    }
    Ok(rules)
}

fn when(
    argument: u8,
    is: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?;
    SeccompRule::new(vec![condition])
}

#[cfg(test)]
mod tests {
    use std::{
        ffi::CStr,
        fs::File,
        io::Read as _,
        sync::atomic::{AtomicI32, Ordering},
    };

    use nix::{
        fcntl::{FcntlArg, fcntl},
        sys::wait::{WaitStatus, waitpid},
        unistd::{ForkResult, fork},
    };

    use super::*;

    /// What the process can do inside, as bits.
    fn inside(attempts: &[fn() -> bool]) -> i32 {
        // SAFETY: the child makes system calls and allocates, which the C library allows after a fork.
        match unsafe { fork() }.expect("forks") {
            ForkResult::Child => {
                let mut done = match enter() {
                    Ok(()) => 0,
                    Err(_) => 1 << 7,
                };
                for (bit, attempt) in attempts.iter().enumerate() {
                    done |= i32::from(attempt()) << bit;
                }
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(done) };
            }
            ForkResult::Parent { child } => match waitpid(child, None).expect("a child") {
                WaitStatus::Exited(_, status) => status,
                other => panic!("{other:?}"),
            },
        }
    }

    fn open(path: &CStr) -> bool {
        // SAFETY: the path ends with a zero.
        unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) >= 0 }
    }

    #[test]
    fn nothing_can_be_opened() {
        assert_eq!(
            inside(&[
                || open(c"/etc/passwd"),
                || open(c"/proc/self/status"),
                || open(c"/dev/null"),
                || open(c"."),
                || std::fs::metadata("/etc/passwd").is_ok(),
                || std::fs::write("/tmp/fault-trace-escape", b"x").is_ok(),
                || std::fs::read_dir("/").is_ok(),
            ]),
            0
        );
    }

    #[test]
    fn nobody_can_be_talked_to() {
        // SAFETY (all): the calls get numbers only, or pointers to nothing, which they refuse.
        assert_eq!(
            inside(&[
                // SAFETY: as above.
                || unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) >= 0 },
                // SAFETY: as above.
                || unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) >= 0 },
                // SAFETY: as above.
                || unsafe { libc::kill(libc::getppid(), 0) == 0 },
                // SAFETY: as above.
                || unsafe { libc::ptrace(libc::PTRACE_TRACEME) == 0 },
                // SAFETY: as above.
                || unsafe { libc::syscall(libc::SYS_fork) >= 0 },
                // SAFETY: as above.
                || unsafe { libc::syscall(libc::SYS_setuid, 0) == 0 },
                // SAFETY: as above.
                || unsafe { libc::syscall(libc::SYS_execve, c"/bin/true".as_ptr(), 0, 0) == 0 },
            ]),
            0
        );
    }

    #[test]
    fn memory_is_bounded_and_never_code() {
        const WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
        fn mapped(bytes: usize, protection: i32) -> bool {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: makes a new mapping.
            let made = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
            made != libc::MAP_FAILED
        }
        assert_eq!(
            inside(&[
                || mapped(4096, libc::PROT_READ | libc::PROT_EXEC),
                || mapped(300 << 20, WRITE),
                || !mapped(4096, WRITE),
            ]),
            0
        );
    }

    /// This program, open; set before the rights are given up.
    static OPEN: AtomicI32 = AtomicI32::new(-1);

    fn reads(path: &str) -> bool {
        let mut start = [0; 4];
        File::open(path)
            .and_then(|mut file| file.read_exact(&mut start))
            .is_ok_and(|()| start == *b"\x7fELF")
    }

    #[test]
    fn what_was_open_before_is_opened_again_by_its_number_only() {
        let program = File::open("/proc/self/exe").expect("opens");
        // The first numbers are no files that were sent.
        let program = fcntl(&program, FcntlArg::F_DUPFD_CLOEXEC(40)).expect("duplicates");
        OPEN.store(program, Ordering::Relaxed);
        assert_eq!(
            inside(&[
                || !reads(&format!("/proc/self/fd/{}", OPEN.load(Ordering::Relaxed))),
                || reads(&format!(
                    "/proc/self/fd/../fd/{}",
                    OPEN.load(Ordering::Relaxed)
                )),
                || reads(&format!("/proc/self/fd/{}/", OPEN.load(Ordering::Relaxed))),
                || reads("/proc/self/exe"),
                || open(c"/proc/self/fd/"),
                || open(c"/proc/self/fd/99999999999999999999"),
            ]),
            0
        );
    }
}
