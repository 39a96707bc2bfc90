//! What a kernel and a set of privileges allow, as findings: pure, from facts gathered elsewhere.

mod hooks;
mod privileged;

use fault_trace_common::{Hook, Hooks, hooks::Attach};

pub use hooks::{after_failure, after_trial, tried, worth_trying};

use super::{
    btf::{Prototypes, TaskOffsets, VMLINUX},
    kernel::Lockdown,
    privileges::{Capability, Privileges},
    regions::Source,
};
use fault_trace_model::{
    findings::{Finding, Findings, State},
    version::Version,
};

/// What is mounted at /proc.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mounted {
    Whole,
    Absent,
    /// It does not show this process.
    OfOthers,
}

/// Everything the checks need to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub proc: Mounted,
    pub has_sys: bool,
    /// As `uname -m` gives it.
    pub machine: String,
    /// As `uname -r` gives it.
    pub kernel_release: String,
    pub has_btf: bool,
    pub task_offsets: TaskOffsets,
    /// What the kernel passes to the tracepoints.
    pub prototypes: Prototypes,
    pub privileges: Privileges,
    /// `None` where the kernel does not say.
    pub lockdown: Option<Lockdown>,
    /// Whether the events of tracefs can be listed.
    pub has_tracefs: bool,
    /// The raw tracepoints that exist; `None` if they cannot be listed.
    pub tracepoints: Option<Hooks>,
    /// How the places of the kernel's regions are known.
    pub regions: Source,
}

const AS_ROOT: &str = "run it as root";

/// Checks the facts.
#[must_use]
pub fn evaluate(facts: &Facts) -> Findings {
    let unmounted: Vec<Finding> = [proc(facts.proc), sys(facts.has_sys)]
        .into_iter()
        .flatten()
        .collect();
    if !unmounted.is_empty() {
        // What else is missing follows from that.
        return Findings(unmounted);
    }
    let mut findings = vec![
        architecture(&facts.machine),
        kernel(&facts.kernel_release),
        btf(facts),
        privileged::bpf(&facts.privileges),
        privileged::perf(&facts.privileges),
        privileged::namespace(&facts.privileges),
        lockdown(facts.lockdown),
        tracefs(facts),
        exit_counts(facts),
        regions(facts),
        privileged::symbols(&facts.privileges),
        privileged::other_processes(&facts.privileges),
    ];
    findings.extend(Hook::ALL.into_iter().map(|hook| tracepoint(facts, hook)));
    Findings(findings)
}

/// What is wrong with /proc, if anything is.
fn proc(mounted: Mounted) -> Option<Finding> {
    let subject = "/proc";
    match mounted {
        Mounted::Whole => None,
        Mounted::Absent => Some(
            Finding::new(
                subject,
                State::Missing,
                "no proc file system is mounted there",
            )
            .with_remedy("mount -t proc proc /proc"),
        ),
        Mounted::OfOthers => Some(
            Finding::new(
                subject,
                State::Missing,
                "it does not show this process: it belongs to another PID namespace",
            )
            .with_remedy("mount the right one: mount -t proc proc /proc"),
        ),
    }
}

/// What is wrong with /sys, if anything is.
fn sys(is_mounted: bool) -> Option<Finding> {
    (!is_mounted).then(|| {
        Finding::new("/sys", State::Missing, "no sysfs is mounted there")
            .with_remedy("mount -t sysfs sysfs /sys")
    })
}

fn architecture(machine: &str) -> Finding {
    let subject = "architecture";
    match machine {
        "x86_64" => Finding::new(subject, State::Ok, machine),
        other => Finding::new(
            subject,
            State::Missing,
            format!("{other} has no exceptions:page_fault tracepoints; only x86_64 has"),
        ),
    }
}

fn kernel(release: &str) -> Finding {
    let subject = "kernel";
    let Version { major, minor } = Version::OLDEST;
    match Version::parse(release) {
        Some(version) if version >= Version::OLDEST => Finding::new(subject, State::Ok, release),
        Some(_) => Finding::new(
            subject,
            State::Missing,
            format!("{release} is older than {major}.{minor}"),
        )
        .with_remedy("boot a newer kernel"),
        None => Finding::new(
            subject,
            State::Unknown,
            format!("the release {release} has no version in it"),
        ),
    }
}

fn btf(facts: &Facts) -> Finding {
    let subject = "type information";
    if !facts.has_btf {
        let detail = format!("there is no {VMLINUX}");
        return Finding::new(subject, State::Missing, detail)
            .with_remedy("boot a kernel built with CONFIG_DEBUG_INFO_BTF=y");
    }
    let missing = facts.task_offsets.missing();
    if missing.is_empty() {
        return Finding::new(subject, State::Ok, VMLINUX);
    }
    let detail = format!("no {} in task_struct of {VMLINUX}", missing.join(", "));
    Finding::new(subject, State::Missing, detail)
        .with_remedy("boot a kernel that this version of fault-trace knows")
}

fn lockdown(lockdown: Option<Lockdown>) -> Finding {
    let subject = "lockdown";
    match lockdown {
        Some(Lockdown::None) => Finding::new(subject, State::Ok, "off"),
        Some(Lockdown::Integrity) => {
            Finding::new(subject, State::Ok, "integrity: tracing is allowed")
        }
        Some(Lockdown::Confidentiality) => {
            let detail = "confidentiality: BPF programs may not read kernel memory";
            Finding::new(subject, State::Missing, detail)
                .with_remedy("boot with lockdown=integrity, or without lockdown=")
        }
        None => Finding::new(subject, State::Unknown, "the kernel does not say"),
    }
}

/// Attaching does not need tracefs, and the symbols list the tracepoints, too.
fn tracefs(facts: &Facts) -> Finding {
    let subject = "tracefs";
    match (facts.has_tracefs, facts.tracepoints) {
        (true, _) => Finding::new(subject, State::Ok, "the tracepoints are listed"),
        (false, Some(_)) => {
            let detail = "not readable; /proc/kallsyms lists the tracepoints instead";
            Finding::new(subject, State::Ok, detail)
        }
        (false, None) => {
            let detail = "not readable, so the tracepoints cannot be listed";
            Finding::new(subject, State::Unknown, detail)
                .with_remedy("mount -t tracefs tracefs /sys/kernel/tracing, and run it as root")
        }
    }
}

fn exit_counts(facts: &Facts) -> Finding {
    let subject = "exit counts";
    match (facts.task_offsets.min_flt, facts.task_offsets.maj_flt) {
        (Some(_), Some(_)) => Finding::new(subject, State::Ok, "task_struct has min_flt, maj_flt"),
        _ => {
            let detail = "min_flt and maj_flt were not found in task_struct: threads that exit \
                          while attached are not reconciled with the kernel";
            Finding::new(subject, State::Degraded, detail)
        }
    }
}

fn regions(facts: &Facts) -> Finding {
    let subject = "kernel regions";
    match facts.regions {
        Source::Read => return Finding::new(subject, State::Ok, "read from /proc/kcore"),
        Source::NotMoved => return Finding::new(subject, State::Ok, "KASLR is off"),
        Source::Unknown => {}
    }
    let detail = "neither /proc/kcore nor /proc/kallsyms shows where KASLR put them: regions \
                  of kernel addresses cannot be distinguished";
    let finding = Finding::new(subject, State::Degraded, detail);
    match facts.privileges.has(Capability::SysRawio) {
        Some(false) => finding.with_remedy(AS_ROOT),
        Some(true) | None => finding,
    }
}

/// Why a hook would mislead on this kernel, if it would.
fn misleads(facts: &Facts, hook: Hook) -> Option<String> {
    let (since, before) = hook.info().usable_since?;
    let is_before = Version::parse(&facts.kernel_release).is_some_and(|version| version < since);
    is_before.then(|| format!("{before} before Linux {since}"))
}

/// The category of a hook's tracepoint in tracefs; `None` if it is none.
const fn category(hook: Hook) -> Option<&'static str> {
    match hook.info().attach {
        Attach::RawTracepoint { category } => Some(category),
        Attach::Software => None,
    }
}

fn tracepoint(facts: &Facts, hook: Hook) -> Finding {
    let info = hook.info();
    let Some(category) = category(hook) else {
        return Finding::new(info.name, State::Ok, info.gives);
    };
    let subject = format!("{category}:{}", info.name);
    let gives = info.gives;
    if let Some(difference) = facts.prototypes.difference(hook) {
        return if info.required {
            Finding::new(subject, State::Missing, difference.to_string()).with_remedy(
                "use a version of fault-trace that knows this kernel, or another kernel",
            )
        } else {
            let detail = format!("{difference}; left out, and unknown without it: {gives}");
            Finding::new(subject, State::Degraded, detail)
        };
    }
    match facts.tracepoints.map(|present| present.has(hook)) {
        Some(true) => match misleads(facts, hook) {
            Some(why) => {
                let detail = format!("{why}: classes that depend on it are inferred");
                Finding::new(subject, State::Degraded, detail)
            }
            None => Finding::new(subject, State::Ok, gives),
        },
        Some(false) if info.required => {
            let detail = format!("not in this kernel, and nothing works without it: {gives}");
            Finding::new(subject, State::Missing, detail).with_remedy(
                "boot a kernel built with CONFIG_TRACEPOINTS=y and CONFIG_PERF_EVENTS=y",
            )
        }
        Some(false) => {
            let detail = format!("not in this kernel; unknown without it: {gives}");
            Finding::new(subject, State::Degraded, detail)
        }
        None => Finding::new(subject, State::Unknown, "will be tried"),
    }
}

#[cfg(test)]
mod tests;
