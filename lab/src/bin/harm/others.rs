//! Attempts on other processes.

use std::{fs, io, os::unix::process::parent_id};

use nix::{
    sys::{
        ptrace,
        signal::{Signal, kill, raise},
        wait::{WaitStatus, waitpid},
    },
    unistd::{Pid, execv, geteuid},
};

use crate::{memory, processes};

/// Steps of a traced child.
const STEPS: usize = 200;

/// Traces a child through its exec, step by step, and writes into memory that it shares with nobody.
pub(crate) fn trace_a_child() {
    let child = processes::child(|| {
        memory::touch(20);
        ptrace::traceme().expect("nobody traces it");
        raise(Signal::SIGSTOP).expect("its own");
        let Err(error) = execv(c"/bin/true", &[c"true"]);
        panic!("/bin/true: {error}");
    });
    let stopped = |signal| assert_eq!(waitpid(child, None), Ok(WaitStatus::Stopped(child, signal)));
    stopped(Signal::SIGSTOP);
    ptrace::cont(child, None).expect("it is stopped");
    stopped(Signal::SIGTRAP);
    let registers = ptrace::getregs(child).expect("it is stopped");
    for step in 0..STEPS {
        // The kernel reads and writes the page for us: it takes no exception.
        let address = (registers.rsp & !7) as ptrace::AddressType;
        let word = ptrace::read(child, address).expect("its stack");
        ptrace::write(child, address, word).expect("its stack");
        let text = (registers.rip & !7) as ptrace::AddressType;
        let word = ptrace::read(child, text).expect("its code");
        // A copy of the file's page, of its own.
        ptrace::write(child, text, word).expect("its code");
        ptrace::step(child, None).expect("it is stopped");
        let ended = waitpid(child, None).expect("a child");
        assert!(
            matches!(ended, WaitStatus::Stopped(..)),
            "{step}: {ended:?}"
        );
    }
    ptrace::cont(child, None).expect("it is stopped");
    processes::succeeds(child);
}

/// What ends or stops a process that does not see to it.
const SIGNALS: [Signal; 9] = [
    Signal::SIGSTOP,
    Signal::SIGTSTP,
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGSEGV,
    Signal::SIGABRT,
    Signal::SIGKILL,
];

/// Does its worst as a user, and tells what should not have gone well.
pub(crate) fn signal_everybody() {
    assert!(!geteuid().is_root(), "that would be the end of the machine");
    let parent = Pid::from_raw(parent_id().cast_signed());
    attack(parent);
    for pid in children_of(parent) {
        attack(pid);
    }
    for signal in SIGNALS {
        // All of its own user, but itself: that there is nobody is an error.
        let _ = kill(Pid::from_raw(-1), signal);
    }
}

/// Everything that needs the right to: all of it must fail.
fn attack(victim: Pid) {
    let harmed = |how: &str| eprintln!("harmed process {victim}: {how}");
    for signal in SIGNALS {
        if kill(victim, signal).is_ok() {
            harmed(signal.as_str());
        }
    }
    if ptrace::attach(victim).is_ok() {
        harmed("ptrace");
    }
    for file in ["mem", "oom_score_adj", "comm", "fd/0"] {
        let path = format!("/proc/{victim}/{file}");
        if fs::OpenOptions::new().write(true).open(&path).is_ok() {
            harmed(&path);
        }
    }
    let nothing = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the structure is valid, and the old limit is not asked for.
    let limited = unsafe {
        libc::prlimit(
            victim.as_raw(),
            libc::RLIMIT_NOFILE,
            &raw const nothing,
            std::ptr::null_mut(),
        )
    };
    if limited == 0 {
        harmed("prlimit");
    }
    // SAFETY: plain numbers.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, victim.as_raw().cast_unsigned(), 19) } == 0 {
        harmed("setpriority");
    }
}

/// The children of a process but this one, by /proc.
fn children_of(parent: Pid) -> Vec<Pid> {
    let own = Pid::this();
    let pids = fs::read_dir("/proc").expect("mounted");
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.map(Pid::from_raw)
        .filter(|&pid| pid != own && parent_of(pid).is_ok_and(|its| its == parent))
        .collect()
}

fn parent_of(pid: Pid) -> io::Result<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let parent = after_name
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok());
    parent
        .map(Pid::from_raw)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}
