use proptest::prelude::*;

use super::*;
use crate::{
    mapping::{Kind, Protection},
    space_event::{SpaceChange, SpaceEvent},
};

const PAGE: u64 = 4096;
/// Of the past, ns: the address spaces forget in the middle of the test.
const HORIZON_NS: u64 = 40;

#[derive(Clone, Debug)]
enum Step {
    /// Something happened so long ago.
    Change(u64, SpaceChange),
    Snapshot(u32, Vec<Mapping>),
    /// A fault of a process at an address, which began so long ago and took so long.
    Fault((u32, u64), u64, u64),
}

fn mapping() -> impl Strategy<Value = Mapping> {
    (0..12_u64, 1..6_u64, any::<bool>(), any::<bool>()).prop_map(|(page, pages, shared, stack)| {
        Mapping {
            start: page * PAGE,
            end: (page + pages) * PAGE,
            offset_bytes: 0,
            protection: Protection::from_bits(3),
            shared,
            kind: if stack { Kind::Stack } else { Kind::Anonymous },
        }
    })
}

fn change() -> impl Strategy<Value = SpaceChange> {
    let pid = || 1..4_u32;
    prop_oneof![
        6 => (pid(), mapping()).prop_map(|(pid, mapping)| SpaceChange::Mapped { pid, mapping }),
        1 => (pid(), pid()).prop_map(|(pid, parent_pid)| SpaceChange::Forked {
            pid,
            tid: pid,
            parent_pid,
        }),
        1 => pid().prop_map(|pid| SpaceChange::Named {
            pid,
            tid: pid,
            comm: b"x".to_vec(),
            exec: true,
        }),
        1 => pid().prop_map(|pid| SpaceChange::Exited { pid, tid: pid }),
        1 => Just(SpaceChange::Lost { records: 1 }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let mappings = prop::collection::vec(mapping(), 0..3);
    let at = (1..4_u32, 0..16 * PAGE);
    prop_oneof![
        3 => (0..4_u64, change()).prop_map(|(ago, change)| Step::Change(ago, change)),
        1 => (1..4_u32, mappings).prop_map(|(pid, mappings)| Step::Snapshot(pid, mappings)),
        12 => (at, 0..8_u64, 0..5_u64).prop_map(|(at, ago, took)| Step::Fault(at, ago, took)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_was_found_lately_is_what_a_look_up_finds(
        steps in prop::collection::vec((0..6_u64, step()), 1..120)
    ) {
        let (mut plain, mut spared) = (Spaces::new(HORIZON_NS), Spaces::new(HORIZON_NS));
        let mut recent = Recent::default();
        let mut now_ns = 100;
        for (passed_ns, step) in steps {
            now_ns += passed_ns;
            match step {
                Step::Change(ago_ns, change) => {
                    let time_ns = now_ns - ago_ns;
                    plain.push(SpaceEvent { time_ns, change: change.clone() });
                    spared.push(SpaceEvent { time_ns, change });
                }
                Step::Snapshot(pid, mappings) => {
                    plain.snapshot(pid, now_ns, mappings.clone());
                    spared.snapshot(pid, now_ns, mappings);
                }
                Step::Fault((pid, address), ago_ns, took_ns) => {
                    let start_ns = now_ns - ago_ns;
                    let end_ns = start_ns + took_ns;
                    let expected = plain.lookup_fault(pid, address, start_ns, end_ns).map(Kept::of);
                    let place = recent.lookup_fault(&mut spared, (pid, address), start_ns, end_ns);
                    let found = place.and_then(|place| recent.at(place)).cloned();
                    prop_assert_eq!(found, expected);
                }
            }
        }
        prop_assert_eq!(spared.take_wanting(), plain.take_wanting());
        prop_assert_eq!(spared.counts(), plain.counts());
    }
}

#[test]
fn a_slot_holds_for_its_process_addresses_and_time_until_something_changes() {
    let mut slots = Slots::new(1, 12);
    slots.put(7, (1, PAGE), ((PAGE, 3 * PAGE), 50), "here");
    assert_eq!(slots.get(7, 1, 3 * PAGE - 1, 50), Some(&"here"));
    for (version, pid, address, time_ns) in [
        (8, 1, PAGE, 50),
        (7, 2, PAGE, 50),
        (7, 1, PAGE - 1, 50),
        (7, 1, 3 * PAGE, 50),
        (7, 1, PAGE, 49),
    ] {
        assert_eq!(slots.get(version, pid, address, time_ns), None);
    }
}
