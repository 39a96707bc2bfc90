//! Findings for several kernels and sets of privileges.

use super::*;
use fault_trace_model::support::HookState;

/// A kernel with everything, and root.
pub(super) fn facts() -> Facts {
    Facts {
        proc: Mounted::Whole,
        has_sys: true,
        machine: "x86_64".to_owned(),
        kernel_release: "6.18.4-generic".to_owned(),
        has_btf: true,
        task_offsets: TaskOffsets {
            pid: Some(1264),
            tgid: Some(1268),
            mm: Some(1120),
            pagefault_disabled: Some(2464),
            group_leader: Some(1336),
            comm: Some(1912),
            min_flt: Some(1568),
            maj_flt: Some(1576),
            cgroups: Some(2712),
            start_time: Some(1544),
        },
        prototypes: Prototypes::default(),
        privileges: Privileges {
            capabilities: Some((1 << 41) - 1),
            is_in_first_user_namespace: Some(true),
            is_in_first_pid_namespace: Some(true),
            perf_event_paranoid: Some(2),
            kptr_restrict: Some(1),
        },
        lockdown: Some(Lockdown::None),
        has_tracefs: true,
        tracepoints: Some(Hooks::ALL),
        regions: Source::Read,
    }
}

fn without_privileges() -> Privileges {
    Privileges {
        capabilities: Some(0),
        ..facts().privileges
    }
}

fn subjects<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<&'a str> {
    findings.map(|finding| finding.subject.as_str()).collect()
}

fn fatal(facts: &Facts) -> Vec<String> {
    subjects(evaluate(facts).fatal())
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn finding(facts: &Facts, subject: &str) -> Finding {
    let Findings(findings) = evaluate(facts);
    let found = findings
        .into_iter()
        .find(|finding| finding.subject == subject);
    found.unwrap_or_else(|| panic!("nothing about {subject}"))
}

#[test]
fn a_recent_kernel_and_root_lack_nothing() {
    let Findings(findings) = evaluate(&facts());
    for finding in &findings {
        assert_eq!(finding.state, State::Ok, "{finding:?}");
        assert_eq!(finding.remedy, None);
    }
    assert!(findings.len() >= Hook::ALL.len());
}

#[test]
fn what_is_not_mounted_is_all_that_is_missing() {
    let unmounted = Facts {
        proc: Mounted::Absent,
        has_btf: false,
        privileges: Privileges::default(),
        ..facts()
    };
    assert_eq!(fatal(&unmounted), ["/proc"]);
    let others = Facts {
        proc: Mounted::OfOthers,
        has_sys: false,
        ..facts()
    };
    assert_eq!(fatal(&others), ["/proc", "/sys"]);
    assert!(finding(&others, "/sys").remedy.is_some());
}

#[test]
fn every_missing_requirement_is_fatal_by_itself() {
    let old = |release: &str| Facts {
        kernel_release: release.to_owned(),
        ..facts()
    };
    let privileges = |privileges| Facts {
        privileges,
        ..facts()
    };
    let lockdown = Some(Lockdown::Confidentiality);
    let tracepoints = Some(Hooks::ALL.without(Hook::PageFaultUser));
    for (facts, subjects) in [
        (old("5.14.21"), vec!["kernel"]),
        (
            Facts {
                machine: "aarch64".to_owned(),
                ..facts()
            },
            vec!["architecture"],
        ),
        (
            Facts {
                has_btf: false,
                ..facts()
            },
            vec!["type information"],
        ),
        (
            Facts {
                lockdown,
                ..facts()
            },
            vec!["lockdown"],
        ),
        (
            Facts {
                tracepoints,
                ..facts()
            },
            vec!["exceptions:page_fault_user"],
        ),
        (
            privileges(without_privileges()),
            vec!["BPF privilege", "perf privilege"],
        ),
        (
            privileges(Privileges {
                is_in_first_pid_namespace: Some(false),
                ..facts().privileges
            }),
            vec!["process ids"],
        ),
        (
            privileges(Privileges {
                is_in_first_user_namespace: Some(false),
                ..facts().privileges
            }),
            vec!["BPF privilege"],
        ),
    ] {
        assert_eq!(fatal(&facts), subjects);
    }
}

#[test]
fn a_changed_argument_is_fatal_for_a_required_hook_and_leaves_out_an_optional_one() {
    let changed = |name, argument, kind| Facts {
        prototypes: Prototypes::of_one(name, argument, kind),
        ..facts()
    };
    let faults = changed(Hook::PageFaultUser, "address", "struct address");
    assert_eq!(fatal(&faults), ["exceptions:page_fault_user"]);
    let refusal = evaluate(&faults).refusal().expect("it is refused");
    assert!(
        refusal.contains(
            "exceptions:page_fault_user: this kernel passes struct address * as argument 1, \
             address, not a number of 8 bytes"
        ),
        "{refusal}"
    );
    let freed = changed(Hook::PageFree, "folio", "struct folio");
    assert_eq!(fatal(&freed), [""; 0]);
    let finding = finding(&freed, "kmem:mm_page_free");
    assert_eq!(finding.state, State::Degraded);
    assert!(finding.detail.contains("struct folio *"), "{finding:?}");
    let tried_hooks = worth_trying(&freed, Hooks::ALL);
    assert_eq!(tried_hooks, Hooks::ALL.without(Hook::PageFree));
    let support = tried(&freed, tried_hooks, &[]);
    let left_out = &support[Hook::PageFree as usize];
    assert_eq!(left_out.state, HookState::LeftOut);
    assert!(
        left_out
            .reason
            .as_deref()
            .is_some_and(|why| why.contains("struct folio *"))
    );
}

#[test]
fn a_lack_of_privileges_names_the_command_to_run() {
    let facts = Facts {
        privileges: without_privileges(),
        ..facts()
    };
    for subject in ["BPF privilege", "perf privilege", "other users' processes"] {
        let remedy = finding(&facts, subject).remedy.expect("remedy");
        assert!(remedy.starts_with("run it as root"), "{remedy}");
        assert!(remedy.contains("setcap cap_bpf,cap_perfmon"), "{remedy}");
    }
}

#[test]
fn the_two_narrow_capabilities_are_enough_to_trace() {
    let capabilities = Some(1 << Capability::Bpf as u8 | 1 << Capability::Perfmon as u8);
    let facts = Facts {
        privileges: Privileges {
            capabilities,
            ..facts().privileges
        },
        regions: Source::Unknown,
        ..facts()
    };
    let findings = evaluate(&facts);
    assert_eq!(findings.fatal().count(), 0);
    let degraded = ["kernel regions", "kernel symbols", "other users' processes"];
    assert_eq!(subjects(findings.degraded()), degraded);
}

#[test]
fn integrity_lockdown_is_no_hindrance() {
    let facts = Facts {
        lockdown: Some(Lockdown::Integrity),
        ..facts()
    };
    assert_eq!(finding(&facts, "lockdown").state, State::Ok);
}

#[test]
fn a_missing_optional_tracepoint_degrades_and_says_what_is_lost() {
    let facts = Facts {
        tracepoints: Some(Hooks::ALL.without(Hook::FilemapFault)),
        ..facts()
    };
    let finding = finding(&facts, "filemap:mm_filemap_fault");
    assert_eq!(finding.state, State::Degraded);
    assert!(finding.detail.contains(Hook::FilemapFault.info().gives));
    assert_eq!(fatal(&facts), [""; 0]);
}

#[test]
fn rss_stat_is_exact_only_since_it_is_not_batched() {
    for (release, state) in [
        ("5.15.0-91-generic", State::Degraded),
        ("6.5.13", State::Degraded),
        ("6.6.0", State::Ok),
    ] {
        let facts = Facts {
            kernel_release: release.to_owned(),
            ..facts()
        };
        assert_eq!(finding(&facts, "kmem:rss_stat").state, state, "{release}");
    }
}

#[test]
fn what_cannot_be_found_out_is_unknown_and_not_fatal() {
    let facts = Facts {
        kernel_release: "custom".to_owned(),
        privileges: Privileges::default(),
        lockdown: None,
        has_tracefs: false,
        tracepoints: None,
        ..facts()
    };
    let findings = evaluate(&facts);
    assert_eq!(findings.fatal().count(), 0);
    assert_eq!(findings.degraded().count(), 0);
    assert_eq!(
        finding(&facts, "exceptions:page_fault_user").state,
        State::Unknown
    );
    let remedy = finding(&facts, "tracefs").remedy.expect("remedy");
    assert!(remedy.contains("mount -t tracefs tracefs /sys/kernel/tracing"));
}

#[test]
fn tracefs_is_not_missed_where_symbols_list_the_tracepoints() {
    let facts = Facts {
        has_tracefs: false,
        ..facts()
    };
    assert_eq!(finding(&facts, "tracefs").state, State::Ok);
}

/// Of a kernel whose `task_struct` lacks a member.
fn facts_without(take_away: impl FnOnce(&mut TaskOffsets)) -> Facts {
    let mut facts = facts();
    take_away(&mut facts.task_offsets);
    facts
}

#[test]
fn unread_exit_counts_degrade() {
    let facts = facts_without(|offsets| offsets.min_flt = None);
    assert_eq!(finding(&facts, "exit counts").state, State::Degraded);
    assert_eq!(finding(&facts, "type information").state, State::Ok);
}

#[test]
fn a_member_without_which_nothing_works_is_named() {
    let facts = facts_without(|offsets| offsets.pagefault_disabled = None);
    let finding = finding(&facts, "type information");
    assert_eq!(finding.state, State::Missing);
    assert!(finding.detail.contains("pagefault_disabled"), "{finding:?}");
}
