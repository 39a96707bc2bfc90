//! What must hold of any evidence, sensible or not.

use fault_trace_common::{
    Class, Closer,
    Confidence::{Exact, Inferred},
    ErrorCode, Evidence, Facts, Family, Hook, Hooks, Region, Verdict, classify,
};
use proptest::prelude::*;

fn facts() -> impl Strategy<Value = Facts> {
    // Random words hardly ever agree with themselves, so half of them are made of sound parts.
    let sound = (
        0_u128..1 << 27,
        0_u8..9,
        0_u8..7,
        prop_oneof![Just(0_u8), Just(7), Just(11), any::<u8>()],
        -1_i8..8,
    )
        .prop_map(|(flags, closer, region, number, code)| {
            Evidence::of(flags)
                .with_closer(Closer::ALL[usize::from(closer)])
                .with_region(Region::ALL[usize::from(region)])
                .with_signal(number, code)
        });
    let evidence = prop_oneof![
        any::<(u64, u64)>().prop_map(|(word, more)| Evidence { word, more }),
        sound
    ];
    let error_code = prop_oneof![any::<u32>(), 0_u32..128];
    (evidence, error_code, hooks()).prop_map(|(evidence, error_code, hooks)| Facts {
        evidence,
        error_code: ErrorCode(error_code),
        hooks,
    })
}

fn hooks() -> impl Strategy<Value = Hooks> {
    prop::sample::subsequence(Hook::ALL.to_vec(), 0..=Hook::COUNT)
        .prop_map(|hooks| hooks.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    #[test]
    fn any_evidence_has_a_class(facts in facts()) {
        prop_assert!(Class::ALL.contains(&classify(&facts).class));
    }

    #[test]
    fn what_a_signal_closed_was_a_bad_access(facts in facts(), number in 1_u8.., code: i8) {
        // The flags and the region stay, the rest is a signal's.
        let mut kept = facts.evidence;
        kept.word &= 0xf << 48 | 0xffff_ffff;
        kept.clear(Evidence::ENDED);
        let evidence = kept.with_closer(Closer::Signal).with_signal(number, code);
        let family = classify(&Facts { evidence, ..facts }).class.family();
        prop_assert!(matches!(family, Family::BadArea | Family::Unknown), "{}", family.name());
    }

    #[test]
    fn only_an_end_proves_that_a_page_was_provided(facts in facts()) {
        let mut open = facts.evidence;
        open.clear(Evidence::ENDED);
        let family = classify(&Facts { evidence: open, ..facts }).class.family();
        let provided = matches!(
            family,
            Family::Demand | Family::Cow | Family::Swap | Family::Userfault | Family::Placement
                | Family::Raced
        );
        prop_assert!(!provided, "{}", family.name());
    }

    #[test]
    fn an_end_is_never_a_bad_access(facts in facts()) {
        let mut ended = facts.evidence;
        ended.set(Evidence::ENDED);
        let family = classify(&Facts { evidence: ended, ..facts }).class.family();
        let failed = matches!(family, Family::BadArea | Family::Kernel | Family::Retried);
        prop_assert!(!failed, "{}", family.name());
    }

    #[test]
    fn fewer_hooks_never_prove_more(facts in facts(), fewer in hooks()) {
        let with_all = classify(&facts);
        let with_fewer = classify(&Facts { hooks: facts.hooks.and(fewer), ..facts });
        if with_all.confidence == Inferred {
            prop_assert_eq!(with_fewer.confidence, Inferred);
        }
        if with_fewer.confidence == Exact {
            prop_assert_eq!(with_fewer.class, with_all.class);
        }
    }

    #[test]
    fn a_present_page_was_not_demanded(facts in facts()) {
        let code = ErrorCode(facts.error_code.0 | ErrorCode::PRESENT);
        let Verdict { class, .. } = classify(&Facts { error_code: code, ..facts });
        prop_assert!(class.family() != Family::Demand, "{}", class.name());
    }
}
