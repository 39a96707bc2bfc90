use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mapping::{Kind, Protection};

const PAGE: u64 = 4096;

/// A mapping of whole pages; its protection and offset tell it from others.
fn mapping(pages: std::ops::Range<u64>, protection: u32) -> Mapping {
    Mapping {
        start: pages.start * PAGE,
        end: pages.end * PAGE,
        offset_bytes: 0,
        protection: Protection::from_bits(protection),
        shared: false,
        kind: Kind::Anonymous,
    }
}

fn stack(pages: std::ops::Range<u64>) -> Mapping {
    Mapping {
        kind: Kind::Stack,
        ..mapping(pages, 3)
    }
}

fn space(mappings: impl IntoIterator<Item = (u64, Mapping)>) -> AddressSpace {
    let mut space = AddressSpace::default();
    for (time_ns, mapping) in mappings {
        space.insert(time_ns, mapping);
    }
    space
}

fn protection_at(space: &AddressSpace, page: u64, time_ns: u64) -> Option<Protection> {
    let found = space.lookup(page * PAGE + 5, time_ns)?;
    Some(found.mapping.protection)
}

#[test]
fn a_mapping_over_another_splits_it_and_the_past_is_kept() {
    let space = space([(10, mapping(0..9, 3)), (20, mapping(3..5, 1))]);
    let [read, write] = [1, 3].map(|bits| Some(Protection::from_bits(bits)));
    for (page, time_ns, expected) in [
        (4, 9, None),
        (4, 10, write),
        (4, 19, write),
        (4, 20, read),
        (2, 30, write),
        (5, 30, write),
        (9, 30, None),
    ] {
        assert_eq!(
            protection_at(&space, page, time_ns),
            expected,
            "{page} {time_ns}"
        );
    }
    let ranges: Vec<_> = space
        .ranges()
        .map(|(start, end, _)| (start / PAGE, end / PAGE))
        .collect();
    assert_eq!(ranges, [(0, 3), (3, 5), (5, 9)]);
}

#[test]
fn exec_empties_it_for_later_times_only() {
    let mut space = space([(10, mapping(0..9, 3))]);
    space.exec(20);
    assert!(space.lookup(0, 19).is_some());
    assert!(space.lookup(0, 20).is_none());
}

#[test]
fn a_child_has_its_parents_mappings_of_the_moment_of_the_fork() {
    let mut parent = space([(10, mapping(0..9, 3)), (30, mapping(0..9, 1))]);
    let mut child = AddressSpace::default();
    child.inherit(20, &parent);
    parent.insert(40, mapping(20..21, 3));
    child.insert(50, mapping(3..4, 0));
    assert_eq!(protection_at(&child, 0, 60), Some(Protection::from_bits(3)));
    assert_eq!(protection_at(&child, 20, 60), None);
    assert_eq!(
        protection_at(&parent, 3, 60),
        Some(Protection::from_bits(1))
    );
    assert_eq!(protection_at(&child, 0, 19), None, "it did not exist yet");
}

#[test]
fn a_snapshot_confirms_or_contradicts_what_was_known_before_it() {
    let mut space = space([(10, mapping(0..4, 3)), (10, mapping(4..8, 3))]);
    space.resync(30, vec![mapping(0..2, 3), mapping(20..21, 3)]);
    for (page, time_ns, expected) in [
        (1, 20, Some(Certainty::Confirmed)),
        (1, 30, Some(Certainty::Reported)),
        (3, 20, Some(Certainty::Uncertain)),
        (5, 20, Some(Certainty::Uncertain)),
        (5, 30, None),
        (20, 20, Some(Certainty::Uncertain)),
        (20, 30, Some(Certainty::Reported)),
        (1, 9, None),
    ] {
        let found = space.lookup(page * PAGE, time_ns);
        assert_eq!(
            found.map(|found| found.certainty),
            expected,
            "{page} {time_ns}"
        );
    }
}

#[test]
fn a_fault_right_below_the_stack_makes_it_grow() {
    let mut space = space([(10, stack(1000..1010)), (20, stack(998..1010))]);
    let grew = |space: &AddressSpace, page: u64, time_ns| {
        space.lookup(page * PAGE, time_ns).map(|found| found.grew)
    };
    assert_eq!(
        grew(&space, 998, 19),
        Some(true),
        "before the record of its growth"
    );
    assert_eq!(grew(&space, 998, 20), Some(false));
    assert_eq!(grew(&space, 5, 30), Some(true), "no record came");
    assert_eq!(grew(&space, 1010, 30), None);
    space.insert(40, mapping(500..501, 3));
    assert_eq!(grew(&space, 5, 50), None, "another mapping is nearer");
    space.exec(60);
    space.insert(70, stack(3..4));
    assert_eq!(
        grew(&space, 3, 59),
        None,
        "that stack is the next program's"
    );
}

#[test]
fn a_stack_does_not_reach_for_gigabytes() {
    let space = space([(10, stack(1 << 20..(1 << 20) + 1))]);
    assert!(space.lookup(0, 20).is_none());
}

#[test]
fn a_late_record_never_returns_from_before_an_exec() {
    let mut space = space([(10, mapping(0..1, 3))]);
    space.exec(20);
    space.insert(15, mapping(0..1, 1));
    assert!(space.lookup(0, 30).is_none());
    space.insert(40, mapping(0..1, 3));
    space.insert(35, mapping(1..2, 3));
    let found = space.lookup(PAGE, 50).expect("applied all the same");
    assert_eq!(found.certainty, Certainty::Uncertain);
}

#[test]
fn the_history_is_bounded_and_says_what_it_dropped() {
    let mut space = AddressSpace::default();
    for time_ns in 1..=HISTORY_MAX as u64 {
        space.insert(time_ns, mapping(0..1, 3));
    }
    assert!(space.dropped().changes > 0);
    assert!(space.changes.len() + space.replaced <= HISTORY_MAX);
    let found = space.lookup(0, 0).expect("the oldest that is known");
    assert_eq!(found.certainty, Certainty::Uncertain);
}

#[test]
fn forgetting_keeps_what_later_lookups_need() {
    let mut space = space((1..=9).map(|time_ns| (time_ns, mapping(0..1, time_ns as u32 % 4))));
    space.forget_before(5);
    assert_eq!((space.changes.len(), space.replaced), (4, 4));
    for time_ns in 5..=9 {
        let found = space.lookup(0, time_ns).expect("known");
        assert_eq!(
            found.mapping.protection,
            Protection::from_bits(time_ns as u32 % 4)
        );
        assert_eq!(found.certainty, Certainty::Reported);
    }
}

#[test]
fn the_newer_half_of_the_pieces_stays() {
    let all = space((0..100).map(|page| (page / 4, mapping(page..page + 1, 3))));
    let mut pieces = (*all.live).clone();
    let evicted = pieces.evict_older_half();
    assert_eq!((evicted, pieces.len()), (50, 50));
    assert!(pieces.at(99 * PAGE).is_some());
    assert!(pieces.at(0).is_none());
}

#[test]
fn a_reused_pid_keeps_its_former_mappings_apart() {
    let parent = space([(10, mapping(0..1, 3))]);
    let mut reused = space([(20, mapping(0..1, 1))]);
    reused.inherit(30, &parent);
    assert_eq!(
        protection_at(&reused, 0, 29),
        Some(Protection::from_bits(1))
    );
    assert_eq!(
        protection_at(&reused, 0, 30),
        Some(Protection::from_bits(3))
    );
    reused.forget_before(30);
    let found = reused.lookup(0, 29).expect("something");
    assert_eq!(found.certainty, Certainty::Uncertain);
}

/// What can happen to a space of a few pages.
#[derive(Clone, Debug)]
enum Step {
    Map(Mapping),
    Exec,
    Snapshot(Vec<Mapping>),
}

const PAGES: u64 = 12;

fn any_mapping() -> impl Strategy<Value = Mapping> {
    (0..PAGES, 1..5_u64, 0..3_u32)
        .prop_map(|(start, length, bits)| mapping(start..(start + length).min(PAGES), bits))
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any_mapping().prop_map(Step::Map),
        1 => Just(Step::Exec),
        1 => prop::collection::vec(any_mapping(), 0..5).prop_map(Step::Snapshot),
    ]
}

/// One page at one moment: the step that mapped it, and the mapping.
type Page = Option<(usize, Mapping)>;

/// The slow and obvious model: replays every step up to a time, for one page.
fn replay(steps: &[(u64, Step)], page: u64) -> Page {
    let mut state = None;
    for (index, (_, step)) in steps.iter().enumerate() {
        let covers = |mapping: &&Mapping| mapping.contains(page * PAGE);
        match step {
            Step::Map(mapping) if covers(&mapping) => state = Some((index, mapping.clone())),
            Step::Map(_) => {}
            Step::Exec => state = None,
            Step::Snapshot(all) => {
                state = all
                    .iter()
                    .rfind(covers)
                    .map(|mapping| (index, mapping.clone()));
            }
        }
    }
    state
}

/// What the model says of a page at a time: what was there, and how it looks in hindsight.
fn expected(steps: &[(u64, Step)], page: u64, time_ns: u64) -> Option<(Mapping, Certainty)> {
    let known = steps.partition_point(|(at_ns, _)| *at_ns <= time_ns);
    let then = replay(&steps[..known], page);
    // The next snapshot judges it, unless something happened to the page before.
    for (index, (_, step)) in steps.iter().enumerate().skip(known) {
        match step {
            Step::Map(mapping) if mapping.contains(page * PAGE) => break,
            Step::Map(_) => {}
            Step::Exec => break,
            Step::Snapshot(_) => {
                let later = replay(&steps[..=index], page).map(|(_, mapping)| mapping);
                return match (then, later) {
                    (Some((_, known)), Some(later)) if known.agrees_with(&later) => {
                        Some((known, Certainty::Confirmed))
                    }
                    (Some((_, known)), _) => Some((known, Certainty::Uncertain)),
                    (None, later) => later.map(|later| (later, Certainty::Uncertain)),
                };
            }
        }
    }
    then.map(|(_, mapping)| (mapping, Certainty::Reported))
}

fn apply(space: &mut AddressSpace, steps: &[(u64, Step)]) {
    for (time_ns, step) in steps {
        match step.clone() {
            Step::Map(mapping) => space.insert(*time_ns, mapping),
            Step::Exec => space.exec(*time_ns),
            Step::Snapshot(all) => space.resync(*time_ns, all),
        }
    }
}

proptest! {
    #[test]
    fn every_moment_looks_as_if_replayed(
        mut times in prop::collection::vec(1..60_u64, 30),
        steps in prop::collection::vec(any_step(), 0..30),
    ) {
        times.sort_unstable();
        let steps: Vec<_> = times.into_iter().zip(steps).collect();
        let mut space = AddressSpace::default();
        apply(&mut space, &steps);
        for page in 0..PAGES {
            for time_ns in 0..62 {
                let found = space.lookup(page * PAGE + 1, time_ns);
                let found = found.map(|found| (Mapping::clone(found.mapping), found.certainty));
                prop_assert_eq!(found, expected(&steps, page, time_ns), "{} {}", page, time_ns);
            }
        }
    }

    #[test]
    fn a_child_forked_at_any_time_looks_like_its_parent_then(
        steps in prop::collection::vec(any_step(), 0..20),
        fork_ns in 0..22_u64,
    ) {
        let steps: Vec<_> = (1..).zip(steps).collect();
        let mut parent = AddressSpace::default();
        apply(&mut parent, &steps);
        let mut child = AddressSpace::default();
        child.inherit(fork_ns, &parent);
        for page in 0..PAGES {
            let of = |space: &AddressSpace, time_ns| {
                space.lookup(page * PAGE, time_ns).map(|found| found.mapping.clone())
            };
            prop_assert_eq!(of(&child, 100), of(&parent, fork_ns), "{}", page);
        }
    }

    #[test]
    fn pieces_never_overlap(steps in prop::collection::vec(any_step(), 0..30)) {
        let steps: Vec<_> = (1..).zip(steps).collect();
        let mut space = AddressSpace::default();
        apply(&mut space, &steps);
        let mut last = 0;
        for (start, end, mapping) in space.ranges() {
            prop_assert!(last <= start && start < end);
            prop_assert!(mapping.start <= start && end <= mapping.end);
            last = end;
        }
    }
}

#[test]
fn a_fork_shares_what_it_inherits_until_somebody_changes_it() {
    let parent = space([(10, mapping(0..1, 3))]);
    let mut child = AddressSpace::default();
    child.inherit(20, &parent);
    assert!(Arc::ptr_eq(&child.live, &parent.live));
    child.insert(30, mapping(1..2, 3));
    assert!(!Arc::ptr_eq(&child.live, &parent.live));
}
