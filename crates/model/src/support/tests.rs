use fault_trace_common::{
    Evidence, Verdict,
    classify::{Facts, classify},
    error_code::ErrorCode,
    evidence::Closer,
};
use proptest::prelude::*;

use super::*;

fn everything() -> Features {
    Features(Feature::ALL.to_vec())
}

fn of(class: Class, hooks: Hooks) -> (Best, Option<String>) {
    best(class, hooks, &everything())
}

/// The flags that only a hook can set.
const FLAGS: [(Hook, u128); 9] = [
    (Hook::RssStat, Evidence::RSS_ANY),
    (
        Hook::PageAlloc,
        Evidence::ALLOC_ANY | Evidence::ALLOC_ZEROED,
    ),
    (Hook::PageFree, Evidence::PAGE_FREED),
    (Hook::CacheAdd, Evidence::CACHE_ADD),
    (Hook::FilemapFault, Evidence::FILEMAP_FAULT),
    (Hook::BioQueue, Evidence::BIO_QUEUED),
    (Hook::SchedSwitch, Evidence::SLEPT_D | Evidence::SLEPT_S),
    (Hook::MigratePages, Evidence::MIGRATED),
    (Hook::MarkVictim, Evidence::OOM_VICTIM),
];

/// Evidence that a run with these hooks can gather.
fn possible(bits: u64, closer: Closer, hooks: Hooks) -> Evidence {
    let flags = FLAGS
        .into_iter()
        .filter(|&(hook, _)| !hooks.has(hook))
        .fold(u128::from(bits & 0x00ff_ffff), |bits, (_, flags)| {
            bits & !flags
        });
    let closer = match closer {
        Closer::Vsyscall if !hooks.has(Hook::EmulateVsyscall) => Closer::Exit,
        closer => closer,
    };
    Evidence::of(flags).with_closer(closer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]
    #[test]
    fn no_verdict_is_surer_than_what_is_said_of_its_class(
        bits: u64,
        code in 0_u32..64,
        closer in prop::sample::select(Closer::ALL.to_vec()),
        hooks in prop::sample::subsequence(Hook::ALL.to_vec(), 0..=Hook::COUNT),
    ) {
        let hooks: Hooks = hooks.into_iter().collect();
        let Verdict { class, confidence } = classify(&Facts {
            evidence: possible(bits, closer, hooks),
            error_code: ErrorCode(code),
            hooks,
        });
        let (best, _) = of(class, hooks);
        prop_assert_ne!(best, Best::Impossible, "{}", class.name());
        if confidence == fault_trace_common::Confidence::Exact {
            prop_assert_eq!(best, Best::Exact, "{}", class.name());
        }
    }
}

#[test]
fn with_every_hook_only_what_no_hook_proves_is_inferred() {
    let inferred: Vec<String> = classes(Hooks::ALL, &everything())
        .into_iter()
        .filter(|class| class.best != Best::Exact)
        .map(|class| class.class)
        .collect();
    assert_eq!(inferred, ["migration-wait", "spurious-kernel"]);
}

#[test]
fn without_rss_stat_the_classes_of_demand_are_inferred_and_say_why() {
    let hooks = Hooks::ALL.without(Hook::RssStat);
    let why = Some("without rss_stat".to_owned());
    assert_eq!(of(Class::AnonAlloc, hooks), (Best::Inferred, why.clone()));
    assert_eq!(of(Class::MigrationWait, hooks), (Best::Impossible, why));
    assert_eq!(of(Class::SegvUnmapped, hooks), (Best::Exact, None));
}

#[test]
fn a_machine_without_a_feature_cannot_have_its_class() {
    let support = classes(Hooks::ALL, &Features::default());
    let pkey = support.iter().find(|support| support.class == "segv-pkey");
    let pkey = pkey.expect("every class is listed");
    assert_eq!(pkey.best, Best::Impossible);
    assert!(
        pkey.reason
            .as_deref()
            .is_some_and(|why| why.contains("protection keys"))
    );
}

#[test]
fn it_survives_json() {
    let support = Support {
        hooks: vec![HookSupport {
            hook: "rss_stat".to_owned(),
            state: HookState::LeftOut,
            reason: Some("batches".to_owned()),
        }],
        classes: classes(Hooks::CORE, &everything()),
    };
    let text = serde_json::to_string(&support).expect("serialises");
    assert!(text.contains(r#""state":"left-out""#), "{text}");
    assert_eq!(
        serde_json::from_str::<Support>(&text).expect("reads back"),
        support
    );
}
