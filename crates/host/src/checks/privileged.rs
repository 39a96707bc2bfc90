//! What the privileges of this process allow.

use super::{Finding, State};
use crate::privileges::{Capability, Privileges};

const AS_ROOT_OR_SETCAP: &str = "run it as root; or allow it for all users, as root: \
     setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_syslog+ep \"$(command -v fault-trace)\"";

pub(super) fn bpf(privileges: &Privileges) -> Finding {
    let subject = "BPF privilege";
    if privileges.is_in_first_user_namespace == Some(false) {
        let detail = "capabilities of this user namespace do not count for BPF";
        return Finding::new(subject, State::Missing, detail)
            .with_remedy("run it on the host, or in a container without a user namespace");
    }
    match privileges.allow_bpf() {
        Some(true) => Finding::new(subject, State::Ok, "programs can be loaded"),
        Some(false) => {
            let detail = "neither CAP_SYS_ADMIN nor both CAP_BPF and CAP_PERFMON";
            Finding::new(subject, State::Missing, detail).with_remedy(AS_ROOT_OR_SETCAP)
        }
        None => Finding::new(subject, State::Unknown, "the capabilities cannot be read"),
    }
}

pub(super) fn perf(privileges: &Privileges) -> Finding {
    let subject = "perf privilege";
    match (privileges.allow_perf(), privileges.perf_event_paranoid) {
        (Some(true), _) => Finding::new(subject, State::Ok, "events on every CPU can be opened"),
        (Some(false), Some(level)) => {
            let detail = format!("no CAP_PERFMON, and kernel.perf_event_paranoid is {level}");
            Finding::new(subject, State::Missing, detail).with_remedy(AS_ROOT_OR_SETCAP)
        }
        (None, Some(level)) => {
            let detail = format!(
                "kernel.perf_event_paranoid is {level}: \
                 some distributions' kernels then ask for CAP_SYS_ADMIN"
            );
            Finding::new(subject, State::Unknown, detail).with_remedy(
                "run it as root; or lower it, as root: sysctl kernel.perf_event_paranoid=2",
            )
        }
        (Some(false) | None, None) => {
            let detail = "/proc/sys/kernel/perf_event_paranoid cannot be read";
            Finding::new(subject, State::Unknown, detail)
        }
    }
}

pub(super) fn namespace(privileges: &Privileges) -> Finding {
    let subject = "process ids";
    match privileges.is_in_first_pid_namespace {
        Some(true) => Finding::new(subject, State::Ok, "those of the host"),
        Some(false) => {
            let detail = "this is a container: the kernel reports the host's process ids, \
                          which differ from those seen here";
            Finding::new(subject, State::Missing, detail)
                .with_remedy("run it on the host, or give the container --pid=host --privileged")
        }
        None => Finding::new(subject, State::Unknown, "the PID namespace cannot be read"),
    }
}

pub(super) fn symbols(privileges: &Privileges) -> Finding {
    let subject = "kernel symbols";
    match privileges.allow_kernel_symbols() {
        Some(true) => Finding::new(subject, State::Ok, "/proc/kallsyms shows addresses"),
        Some(false) => {
            let detail = "/proc/kallsyms hides addresses: kernel functions are not named";
            Finding::new(subject, State::Degraded, detail)
                .with_remedy("run it as root, with kernel.kptr_restrict below 2")
        }
        None => Finding::new(
            subject,
            State::Unknown,
            "kernel.kptr_restrict cannot be read",
        ),
    }
}

pub(super) fn other_processes(privileges: &Privileges) -> Finding {
    let subject = "other users' processes";
    match privileges.has(Capability::SysPtrace) {
        Some(true) => Finding::new(subject, State::Ok, "mappings can be read"),
        Some(false) => {
            let detail = "no CAP_SYS_PTRACE: their mappings, files and functions are not named";
            Finding::new(subject, State::Degraded, detail).with_remedy(AS_ROOT_OR_SETCAP)
        }
        None => Finding::new(subject, State::Unknown, "the capabilities cannot be read"),
    }
}
