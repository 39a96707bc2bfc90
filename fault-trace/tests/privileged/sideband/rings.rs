//! Reading the rings: at their end, when full, and in part.

use std::process::Command;

use fault_trace::{
    capture::sideband::{RING_BYTES, ReadCounts, Sideband},
    model::{
        mapping::Devices,
        space_event::{Origin, SpaceChange, SpaceEvent},
    },
    pipeline::sideband::Decoder,
};

use super::{is_root, now_ns};

/// Runs `true` so many times; their pids.
fn run_true(times: usize) -> Vec<u32> {
    let run = |_| {
        let mut child = Command::new("true").spawn().expect("true starts");
        child.wait().expect("ends");
        child.id()
    };
    (0..times).map(run).collect()
}

/// Reads the events; the counts.
fn read_into(sideband: &mut Sideband, events: &mut Vec<SpaceEvent>) -> ReadCounts {
    sideband.read(
        Origin::Machine,
        &mut Decoder::new(Devices::default()),
        |_| true,
        |event| events.push(event),
    )
}

#[test]
fn records_survive_the_end_of_the_ring_and_have_the_time_of_the_clock() {
    if !is_root() {
        return;
    }
    let started_ns = now_ns();
    let mut sideband = Sideband::open(64 << 10).expect("root may");
    let (mut events, mut pids, mut lost) = (Vec::new(), Vec::new(), 0);
    for _ in 0..60 {
        pids.extend(run_true(4));
        let counts = read_into(&mut sideband, &mut events);
        assert_eq!(counts.undecodable, 0);
        lost += counts.lost;
    }
    let ended_ns = now_ns();
    assert!(
        events
            .iter()
            .all(|event| (started_ns..=ended_ns).contains(&event.time_ns))
    );
    let executed = |pid: u32| {
        events.iter().any(|event| {
            matches!(&event.change, SpaceChange::Named { pid: of, exec: true, comm, .. }
                if *of == pid && comm == b"true")
        })
    };
    let missing = pids.iter().filter(|pid| !executed(**pid)).count() as u64;
    assert!(missing <= lost, "{missing} of {} are missing", pids.len());
}

#[test]
fn what_a_full_ring_loses_is_counted() {
    if !is_root() {
        return;
    }
    let mut sideband = Sideband::open(4096).expect("root may");
    let mut events = Vec::new();
    // The kernel tells of a loss with the next record for which there is room.
    run_true(20);
    let full = read_into(&mut sideband, &mut events);
    run_true(4);
    let after = read_into(&mut sideband, &mut events);
    assert!(full.lost + after.lost > 0);
    assert_eq!(full.undecodable + after.undecodable, 0);
}

#[test]
fn what_is_not_wanted_is_left_out_and_counted() {
    if !is_root() {
        return;
    }
    let mut sideband = Sideband::open(RING_BYTES).expect("root may");
    let pid = run_true(2)[1];
    let mut decoder = Decoder::new(Devices::default());
    let mut events = Vec::new();
    let counts = sideband.read(
        Origin::Machine,
        &mut decoder,
        |event| event.change.pid() == Some(pid),
        |event| events.push(event),
    );
    assert!(counts.skipped > 0 && counts.events > 0);
    assert!(
        events
            .iter()
            .all(|event| event.change.pid().is_none_or(|of| of == pid))
    );
}
