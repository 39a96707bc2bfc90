//! Each hook after it was tried: attached, or why not.

use fault_trace_common::{Hook, Hooks};

use super::{Facts, misleads, tracepoint};
use fault_trace_model::{
    findings::{Finding, Findings, State},
    support::{HookState, HookSupport},
};

/// The hooks of `asked` that are worth a try: not those that are known to be missing, or to pass something
/// else than their programs read.
#[must_use]
pub fn worth_trying(facts: &Facts, asked: Hooks) -> Hooks {
    let useless =
        |hook: &Hook| is_missing(facts, *hook) || facts.prototypes.difference(*hook).is_some();
    asked.iter().filter(useless).fold(asked, Hooks::without)
}

/// Every hook, given those that were attached and what the kernel said of those that it refused.
#[must_use]
pub fn tried(facts: &Facts, attached: Hooks, refused: &[(Hook, String)]) -> Vec<HookSupport> {
    let of = |hook: Hook| {
        let refusal = refused.iter().find(|(other, _)| *other == hook);
        let (state, reason) = if attached.has(hook) {
            (HookState::Attached, None)
        } else if is_missing(facts, hook) {
            (HookState::Missing, Some("not in this kernel".to_owned()))
        } else if let Some(difference) = facts.prototypes.difference(hook) {
            (HookState::LeftOut, Some(difference.to_string()))
        } else if let Some((_, reason)) = refusal {
            (HookState::Refused, Some(reason.clone()))
        } else if let Some(reason) = misleads(facts, hook) {
            (HookState::LeftOut, Some(reason))
        } else {
            (HookState::LeftOut, Some("not asked for".to_owned()))
        };
        HookSupport {
            hook: hook.info().name.to_owned(),
            state,
            reason,
        }
    };
    Hook::ALL.into_iter().map(of).collect()
}

fn is_missing(facts: &Facts, hook: Hook) -> bool {
    let is_listed = super::category(hook).is_some();
    let missing = facts.tracepoints.is_some_and(|present| !present.has(hook));
    is_listed && missing
}

/// What was found out by attaching, in the place of what was only expected.
#[must_use]
pub fn after_trial(mut findings: Findings, facts: &Facts, hooks: &[HookSupport]) -> Findings {
    for (hook, support) in Hook::ALL.into_iter().zip(hooks) {
        let expected = tracepoint(facts, hook);
        let place = findings
            .0
            .iter_mut()
            .find(|finding| finding.subject == expected.subject);
        if let Some(place) = place {
            *place = outcome(expected, hook, support);
        }
    }
    findings
}

/// The programs could not be loaded or attached at all.
#[must_use]
pub fn after_failure(mut findings: Findings, reason: String) -> Findings {
    let failure = Finding::new("programs", State::Missing, reason);
    findings.0.push(failure);
    findings
}

fn outcome(expected: Finding, hook: Hook, support: &HookSupport) -> Finding {
    let gives = hook.info().gives;
    let reason = support.reason.as_deref().unwrap_or_default();
    match support.state {
        HookState::Attached => Finding {
            state: State::Ok,
            detail: format!("attached: {gives}"),
            remedy: None,
            ..expected
        },
        HookState::Refused => Finding {
            state: State::Degraded,
            detail: format!("refused, so this is not known: {gives}; {reason}"),
            ..expected
        },
        HookState::Missing | HookState::LeftOut => expected,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::facts, *};

    #[test]
    fn each_hook_is_attached_missing_refused_or_left_out() {
        let facts = Facts {
            kernel_release: "6.1.0".to_owned(),
            tracepoints: Some(Hooks::ALL.without(Hook::FilemapFault)),
            ..facts()
        };
        let asked = worth_trying(&facts, Hooks::ALL);
        assert_eq!(asked, Hooks::ALL.without(Hook::FilemapFault));
        let attached = asked.without(Hook::RssStat).without(Hook::BioQueue);
        let refused = [(Hook::BioQueue, "Invalid argument".to_owned())];
        let hooks = tried(&facts, attached, &refused);
        let state = |hook: Hook| hooks[hook as usize].state;
        assert_eq!(state(Hook::PageFaultUser), HookState::Attached);
        assert_eq!(state(Hook::FaultsMinor), HookState::Attached);
        assert_eq!(state(Hook::FilemapFault), HookState::Missing);
        assert_eq!(state(Hook::BioQueue), HookState::Refused);
        assert_eq!(state(Hook::RssStat), HookState::LeftOut);

        let findings = after_trial(super::super::evaluate(&facts), &facts, &hooks);
        let detail = |subject: &str| {
            let found = findings.0.iter().find(|one| one.subject == subject);
            let found = found.unwrap_or_else(|| panic!("nothing about {subject}"));
            (found.state, found.detail.clone())
        };
        let (state, text) = detail("block:block_bio_queue");
        assert_eq!(state, State::Degraded);
        assert!(text.contains("Invalid argument"), "{text}");
        assert_eq!(detail("minor-faults").1, "attached: end, minor");
        assert!(
            detail("filemap:mm_filemap_fault")
                .1
                .starts_with("not in this kernel")
        );
    }

    #[test]
    fn hooks_that_cannot_be_listed_are_tried() {
        let facts = Facts {
            tracepoints: None,
            ..facts()
        };
        assert_eq!(worth_trying(&facts, Hooks::CORE), Hooks::CORE);
    }

    #[test]
    fn programs_that_do_not_load_are_fatal() {
        let findings = after_failure(super::super::evaluate(&facts()), "no".to_owned());
        assert_eq!(findings.fatal().count(), 1);
    }
}
