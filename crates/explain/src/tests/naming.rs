//! Names of the catalogue.

use std::collections::BTreeSet;

use fault_trace_common::{Class, ErrorCode, Family, Hook};

use super::{Explanation, explain, rendered};
use crate::{ExplainError, Explained, bits::Bits, clues::Clues};

#[test]
fn the_page_of_a_class() {
    insta::assert_snapshot!(rendered("cow-anon", 100));
}

#[test]
fn the_page_of_a_class_that_the_mapping_tells() {
    insta::assert_snapshot!(rendered("segv-guard", 100));
}

#[test]
fn every_class_has_a_page() {
    for class in Class::ALL {
        let Ok(Explained::Class(page)) = explain(class.name()) else {
            panic!("{class:?}");
        };
        assert_eq!((page.class, page.family), (class, class.family()));
        let text = rendered(class.name(), 100);
        // The lines are wrapped.
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [class.meaning(), class.info().advice, class.info().evidence] {
            assert!(words(&text).contains(&words(part)), "{text}");
        }
    }
}

#[test]
fn a_family_shows_its_classes() {
    for family in Family::ALL
        .into_iter()
        .filter(|&family| family != Family::Unknown)
    {
        let Ok(Explained::Terms(found)) = explain(family.name()) else {
            panic!("{family:?}");
        };
        assert_eq!(found.terms[0].meaning, family.meaning());
        for class in Class::ALL {
            let shown = found.terms.iter().any(|term| term.name == class.name());
            assert_eq!(shown, class.family() == family, "{class:?}");
        }
    }
}

#[test]
fn a_name_in_two_lists_is_explained_twice() {
    let Ok(Explained::Terms(found)) = explain("preempted") else {
        panic!("not found");
    };
    let kinds: Vec<&str> = found.terms.iter().map(|term| term.kind).collect();
    assert_eq!(kinds, ["phase", "evidence"]);
    assert!(rendered(Hook::RssStat.name(), 100).starts_with("hook      rss_stat: "));
}

#[test]
fn a_misspelt_name_gets_suggestions() {
    for (wrong, right) in [
        ("cow-ann", "cow-anon"),
        ("anonalloc", "anon-alloc"),
        ("filecached", "file-cached"),
        ("swapin", "swap-in"),
    ] {
        let Err(ExplainError::UnknownName { similar, .. }) = explain(wrong) else {
            panic!("{wrong}");
        };
        let best = similar.split(", ").next();
        assert_eq!(best, Some(right), "{wrong}: {similar}");
    }
    let error = explain("sdfghjkl").expect_err("no name");
    assert!(matches!(error, ExplainError::NotUnderstood(_)), "{error}");
}

#[test]
fn the_functions_of_the_catalogue_are_steps_of_the_handler() {
    let mut steps = BTreeSet::new();
    let mut classes = BTreeSet::new();
    let addresses = [0x10, 0xffff_ffff_ff60_0000, 0xffff_c900_0000_0000];
    // Every combination of the bits that have a meaning.
    for code in (0_u32..128).flat_map(|code| [code, code | ErrorCode::SGX]) {
        for address in addresses {
            let explanation = Explanation::of(Clues {
                bits: Bits::whole(code),
                address: Some(address),
                ..Clues::default()
            });
            steps.extend(explanation.path.iter().map(|step| step.function));
            classes.extend(explanation.classes);
        }
    }
    for class in Class::ALL {
        for function in class.info().ends_in {
            assert!(steps.contains(function), "{class:?}: {function}");
        }
        assert_eq!(
            classes.contains(&class),
            class != Class::Unknown,
            "{class:?}"
        );
    }
}
