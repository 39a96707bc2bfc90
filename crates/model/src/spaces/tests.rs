use proptest::prelude::*;

use super::*;
use crate::mapping::{Kind, Protection};

const SECOND: u64 = 1_000_000_000;

fn mapping(start: u64, end: u64, protection: u32) -> Mapping {
    Mapping {
        start,
        end,
        offset_bytes: 0,
        protection: Protection::from_bits(protection),
        shared: false,
        kind: Kind::Anonymous,
    }
}

fn event(time_ns: u64, change: SpaceChange) -> SpaceEvent {
    SpaceEvent { time_ns, change }
}

fn mapped(time_ns: u64, pid: u32, protection: u32) -> SpaceEvent {
    let mapping = mapping(0, 4096, protection);
    event(time_ns, SpaceChange::Mapped { pid, mapping })
}

fn forked(time_ns: u64, pid: u32, tid: u32, parent_pid: u32) -> SpaceEvent {
    event(
        time_ns,
        SpaceChange::Forked {
            pid,
            tid,
            parent_pid,
        },
    )
}

fn exec(time_ns: u64, pid: u32) -> SpaceEvent {
    let comm = b"x".to_vec();
    event(
        time_ns,
        SpaceChange::Named {
            pid,
            tid: pid,
            comm,
            exec: true,
        },
    )
}

fn spaces(events: impl IntoIterator<Item = SpaceEvent>) -> Spaces {
    let mut spaces = Spaces::new(HORIZON_NS);
    for event in events {
        spaces.push(event);
    }
    spaces
}

fn protection(spaces: &mut Spaces, pid: u32, time_ns: u64) -> Option<Protection> {
    let found = spaces.lookup(pid, 8, time_ns)?;
    Some(found.mapping.protection)
}

#[test]
fn a_child_inherits_and_execs_on_its_own() {
    let mut spaces = spaces([
        mapped(10, 1, 3),
        forked(20, 2, 2, 1),
        mapped(30, 2, 1),
        exec(40, 2),
    ]);
    for (pid, time_ns, expected) in [
        (2, 20, Some(3)),
        (2, 30, Some(1)),
        (1, 30, Some(3)),
        (2, 40, None),
        (1, 40, Some(3)),
    ] {
        let expected = expected.map(Protection::from_bits);
        assert_eq!(
            protection(&mut spaces, pid, time_ns),
            expected,
            "{pid} {time_ns}"
        );
    }
}

#[test]
fn a_new_thread_leaves_the_mappings_alone() {
    let mut spaces = spaces([mapped(10, 1, 3), forked(20, 1, 7, 1)]);
    assert!(spaces.lookup(1, 8, 30).is_some());
}

#[test]
fn a_reused_pid_starts_anew() {
    let mut spaces = spaces([mapped(10, 5, 3), forked(20, 5, 5, 9)]);
    assert!(spaces.lookup(5, 8, 30).is_none());
    assert!(spaces.lookup(5, 8, 15).is_some(), "the former process");
}

#[test]
fn an_unknown_lookup_is_counted_and_wants_a_snapshot() {
    let mut spaces = spaces([mapped(10, 1, 3)]);
    assert!(spaces.lookup(1, 9999, 20).is_none());
    assert!(spaces.lookup(2, 8, 20).is_none());
    assert_eq!(spaces.counts().unknown, 2);
    spaces.snapshot(2, 30, vec![mapping(0, 4096, 1)]);
    assert_eq!(spaces.take_wanting(), BTreeSet::from([1]));
    assert!(spaces.take_wanting().is_empty());
    assert!(spaces.lookup(2, 8, 40).is_some());
}

#[test]
fn after_a_loss_only_what_was_told_since_is_certain() {
    let lost = event(20, SpaceChange::Lost { records: 3 });
    let mut spaces = spaces([mapped(10, 1, 3), lost, mapped(30, 2, 3)]);
    let certainty = |spaces: &mut Spaces, pid| spaces.lookup(pid, 8, 40).map(|f| f.certainty);
    assert_eq!(certainty(&mut spaces, 1), Some(Certainty::Uncertain));
    assert_eq!(certainty(&mut spaces, 2), Some(Certainty::Reported));
    assert_eq!(spaces.take_wanting(), BTreeSet::from([1]));
    assert_eq!((spaces.counts().lost, spaces.counts().uncertain), (3, 1));
    spaces.snapshot(1, 50, vec![mapping(0, 4096, 3)]);
    assert_eq!(certainty(&mut spaces, 1), Some(Certainty::Confirmed));
    let later = spaces.lookup(1, 8, 60).map(|found| found.certainty);
    assert_eq!(later, Some(Certainty::Reported));
}

#[test]
fn events_that_come_too_late_are_counted() {
    let mut spaces = spaces([mapped(10, 1, 3)]);
    spaces.advance(20);
    spaces.push(mapped(15, 1, 1));
    spaces.advance(30);
    assert_eq!(spaces.counts().inversions, 1);
}

#[test]
fn an_exited_process_is_forgotten_after_the_horizon() {
    let exit = |pid, tid| event(20, SpaceChange::Exited { pid, tid });
    let mut spaces = spaces([mapped(10, 1, 3), mapped(10, 2, 3), exit(1, 1), exit(2, 7)]);
    assert!(spaces.lookup(1, 8, 15).is_some());
    spaces.advance(3 * HORIZON_NS);
    assert!(spaces.space(1).is_none());
    assert!(spaces.space(2).is_some(), "only a thread of it exited");
}

#[test]
fn a_process_outlives_its_main_thread() {
    let exit = event(20, SpaceChange::Exited { pid: 1, tid: 1 });
    let mut spaces = spaces([mapped(10, 1, 3), exit]);
    assert!(
        spaces.lookup(1, 8, SECOND).is_some(),
        "another thread's fault"
    );
    spaces.advance(3 * HORIZON_NS);
    assert!(spaces.space(1).is_some());
}

#[test]
fn too_many_waiting_events_take_effect_early() {
    let mut spaces = Spaces::new(HORIZON_NS);
    for time_ns in 0..=WAITING_MAX as u64 {
        spaces.push(exec(time_ns, 1));
    }
    assert_eq!(spaces.waiting.len(), WAITING_MAX);
    assert!(spaces.space(1).is_some());
}

proptest! {
    #[test]
    fn the_order_in_which_cpus_are_read_makes_no_difference(
        events in prop::collection::vec((0..3_usize, 1..4_u32, 0..4_u32), 0..40),
    ) {
        let mut in_order = Spaces::new(HORIZON_NS);
        let mut rings: [Vec<SpaceEvent>; 3] = Default::default();
        for (time_ns, (cpu, pid, what)) in (1..).zip(events) {
            let event = match what {
                0 => exec(time_ns, pid),
                1 => forked(time_ns, pid, pid, pid % 3 + 1),
                protection => mapped(time_ns, pid, protection),
            };
            in_order.push(event.clone());
            in_order.advance(time_ns);
            rings[cpu].push(event);
        }
        let mut by_cpu = spaces(rings.into_iter().flatten());
        for time_ns in 1..42 {
            for pid in 1..4 {
                let expected = protection(&mut in_order, pid, time_ns);
                prop_assert_eq!(protection(&mut by_cpu, pid, time_ns), expected);
            }
        }
        prop_assert_eq!(by_cpu.counts().inversions, 0);
    }
}

#[test]
fn a_loss_that_is_told_after_the_last_look_up_counts() {
    let mut spaces = Spaces::new(HORIZON_NS);
    spaces.advance(10);
    let change = SpaceChange::Lost { records: 7 };
    spaces.push(SpaceEvent {
        time_ns: 20,
        change,
    });
    assert_eq!(spaces.counts().lost, 7);
    spaces.advance(30);
    assert_eq!(spaces.counts().lost, 7);
}
