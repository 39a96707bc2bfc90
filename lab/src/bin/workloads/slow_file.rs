//! Faults on a file whose device can be made to wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use anyhow::anyhow;
use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::{MapFlags, ProtFlags};

use crate::{
    expect::{Faults, current_tid},
    file::{WINDOW, map},
    fuse,
    memory::{PAGE, Pages, read},
    meter::Meter,
    scenario::{Run, Scenario},
    sleep, warm,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "file-read-fuse",
        class: Some(Class::FileRead),
        about: "reads a mapping of a FUSE file: waits asleep in S, not D",
        needs: "root, /dev/fuse, Linux 5.2",
        count: 64,
        run: file_read,
    },
    Scenario {
        name: "file-wait",
        class: Some(Class::FileWait),
        about: "two threads want the same page of a file; one reads it, one waits",
        needs: "root, /dev/fuse, Linux 5.2",
        count: 64,
        run: file_wait,
    },
];

/// The thread that the server lets read.
static READER: AtomicU32 = AtomicU32::new(0);
/// The thread that must wait for the reader's page.
static WAITER: AtomicU32 = AtomicU32::new(0);

/// `filemap_read_folio` calls `fuse_read_folio`, which waits for the server in
/// `request_wait_answer`: interruptibly, which elsewhere in a fault only a userfaultfd does.
fn file_read(run: &mut Run) -> anyhow::Result<()> {
    READER.store(current_tid(), SeqCst);
    let file = fuse::open(run.count * WINDOW / PAGE, |_| {
        sleep::until_asleep(READER.load(SeqCst), sleep::INTERRUPTIBLE)
    })?;
    let windows = map(&file, run.count, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
    let expected = Faults::new(Class::FileRead, Access::Read, windows).major(true);
    run.provoke([expected], || windows.read_each())
}

/// The first thread puts a locked page into the cache and reads it; the second finds it not up to
/// date and sleeps in `lock_folio_maybe_drop_mmap`. The server answers once it does.
fn file_wait(run: &mut Run) -> anyhow::Result<()> {
    let wanted = Arc::new(AtomicUsize::new(0));
    let ready = Arc::clone(&wanted);
    let file = fuse::open(run.count * WINDOW / PAGE, move |_| {
        ready.fetch_add(1, SeqCst);
        sleep::until_asleep(WAITER.load(SeqCst), sleep::UNINTERRUPTIBLE)
    })?;
    let windows = map(&file, run.count, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
    let traced = run.traced;
    let waiter = thread::spawn(move || follow(windows, &wanted, traced));
    while WAITER.load(SeqCst) == 0 {
        thread::yield_now();
    }
    let reads = Faults::new(Class::FileRead, Access::Read, windows).major(true);
    run.provoke([reads], || windows.read_each())?;
    let waits = waiter
        .join()
        .map_err(|_| anyhow!("the waiting thread panicked"))??;
    run.expect([waits]);
    Ok(())
}

/// Touches each window as soon as its page is being read.
fn follow(windows: Pages, wanted: &AtomicUsize, traced: bool) -> anyhow::Result<Faults> {
    warm::stack();
    let meter = Meter::new(traced)?;
    let expected = Faults::new(Class::FileWait, Access::Read, windows).minor_or_major();
    WAITER.store(current_tid(), SeqCst);
    meter.check(std::slice::from_ref(&expected), || {
        for (index, address) in windows.addresses().enumerate() {
            while wanted.load(SeqCst) <= index {
                thread::yield_now();
            }
            read(address);
        }
    })?;
    Ok(expected)
}
