//! The records of tasks alone: what others do takes none of their room.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use fault_trace::{
    capture::sideband::Sideband,
    model::{
        mapping::Devices,
        space_event::{Origin, SpaceChange},
    },
    pipeline::sideband::Decoder,
};
use nix::unistd::gettid;

use super::{is_root, online_cpus};
use crate::support::wait_until;

const PAGE: usize = 4096;
const RING_BYTES: usize = 64 << 10;

/// Changes the protection of a page again and again, each time a record.
fn storm(changes: &AtomicU64, is_over: &AtomicBool) {
    // SAFETY: a new mapping, at an address of the kernel's choice, of which only the second page's
    // protection is changed, and which is never accessed.
    unsafe {
        let none = libc::PROT_NONE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let start = libc::mmap(std::ptr::null_mut(), 2 * PAGE, none, flags, -1, 0);
        let page = start.byte_add(PAGE);
        while !is_over.load(Ordering::Relaxed) {
            libc::mprotect(page, PAGE, libc::PROT_READ);
            libc::mprotect(page, PAGE, none);
            changes.fetch_add(2, Ordering::Relaxed);
        }
        libc::munmap(start, 2 * PAGE);
    }
}

#[test]
fn a_storm_of_others_leaves_room_for_all_records_of_a_task() {
    if !is_root() {
        return;
    }
    let changes = Arc::new(AtomicU64::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let (counted, ends) = (Arc::clone(&changes), Arc::clone(&is_over));
    // It runs before the task's events are opened, and so is none of those that inherit them.
    let storm = thread::spawn(move || storm(&counted, &ends));
    wait_until("the storm", || changes.load(Ordering::Relaxed) > 0);

    let mut sideband = Sideband::open(RING_BYTES).expect("root may");
    let tid = gettid().as_raw().cast_unsigned();
    let opened = sideband.add_task(tid, &online_cpus(), RING_BYTES);
    assert!(opened.expect("root may"));
    // Far more records than the rings hold.
    let before = changes.load(Ordering::Relaxed);
    wait_until("a full ring", || {
        changes.load(Ordering::Relaxed) > before + 20_000
    });
    // A thread of this one's, whose stack is mapped.
    let child = thread::spawn(|| gettid().as_raw().cast_unsigned());
    let child = child.join().expect("it ends");
    is_over.store(true, Ordering::Relaxed);
    storm.join().expect("it ends");

    let mut decoder = Decoder::new(Devices::default());
    let mut own = Vec::new();
    let of_task = sideband.read(
        Origin::Tasks,
        &mut decoder,
        |_| true,
        |event| {
            own.push(event.change);
        },
    );
    assert_eq!((of_task.lost, of_task.undecodable), (0, 0));
    let told = |what: &dyn Fn(&SpaceChange) -> bool| own.iter().any(what);
    let forked =
        |change: &SpaceChange| matches!(change, SpaceChange::Forked { tid, .. } if *tid == child);
    let exited =
        |change: &SpaceChange| matches!(change, SpaceChange::Exited { tid, .. } if *tid == child);
    assert!(told(&forked) && told(&exited), "{own:?}");
    assert!(own.len() < 1000, "{} records of one thread", own.len());

    // The kernel tells of what is lost with the next record for which there is room.
    let machine = |sideband: &mut Sideband, decoder: &mut Decoder| {
        sideband.read(
            Origin::Machine,
            decoder,
            |_| true,
            |event| {
                hint::black_box(event);
            },
        )
    };
    let mut lost = machine(&mut sideband, &mut decoder).lost;
    wait_until("the loss is told", || {
        thread::spawn(|| ()).join().expect("it ends");
        lost += machine(&mut sideband, &mut decoder).lost;
        lost > 0
    });
}

#[test]
fn a_task_that_is_gone_is_told() {
    if !is_root() {
        return;
    }
    let mut sideband = Sideband::open(RING_BYTES).expect("root may");
    let mut child = std::process::Command::new("true").spawn().expect("starts");
    child.wait().expect("ends");
    let opened = sideband.add_task(child.id(), &online_cpus(), RING_BYTES);
    assert!(!opened.expect("no error"));
    assert_eq!(sideband.task_events(), 0);
}
