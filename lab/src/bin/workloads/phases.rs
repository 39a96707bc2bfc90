//! Faults whose time goes where the scenario makes it go.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use fault_trace_common::{class::Class, error_code::Access, phase::Phase};
use nix::{
    sys::mman::{MapFlags, MmapAdvise, ProtFlags},
    unistd::Pid,
};

use crate::{
    expect::{Faults, Spends, current_tid},
    file::{WINDOW, map},
    fuse, huge,
    loop_device::LoopDevice,
    memory::{PAGE, Pages, READ_WRITE, write},
    process::{cpus, pin, two_cpus},
    scenario::{Run, Scenario},
    sleep,
    userfault::{provoke, registered},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "phase-sleep",
        class: Some(Class::Uffd),
        about: "writes to missing pages that a userfaultfd holds back for 20 ms",
        needs: "root or vm.unprivileged_userfaultfd",
        count: 8,
        run: asleep,
    },
    Scenario {
        name: "phase-io",
        class: Some(Class::FileRead),
        about: "reads a mapped disk (a loop device) that takes 20 ms for each page",
        needs: "root, /dev/fuse, loop devices",
        count: 8,
        run: slow_disk,
    },
    Scenario {
        name: "phase-lock",
        class: Some(Class::AnonAlloc),
        about: "writes to fresh pages of a mapping that another thread keeps changing",
        needs: "two CPUs",
        count: 256,
        run: contended,
    },
    Scenario {
        name: "phase-preempted",
        class: Some(Class::AnonHuge),
        about: "writes to fresh huge pages while another thread wants the same CPU",
        needs: "transparent huge pages not `never`",
        count: 16,
        run: preempted,
    },
];

/// How long a fault is held back at least, once it sleeps.
const HELD: Duration = Duration::from_millis(20);
/// The thread that the disk makes wait.
static READER: AtomicU32 = AtomicU32::new(0);

/// No time; the first look at the clock faults in what it reads.
fn warm_clock() -> Duration {
    Instant::now().elapsed().min(Duration::ZERO)
}

/// `handle_userfault` sleeps interruptibly.
fn asleep(run: &mut Run) -> anyhow::Result<()> {
    let (userfault, pages, source) = registered(run.count)?;
    let expected =
        Faults::new(Class::Uffd, Access::Write, pages).spends(Spends::each(Phase::Sleep, HELD));
    provoke(
        run,
        userfault,
        [expected],
        move |userfault, address| {
            thread::sleep(HELD);
            userfault.copy(address, source)
        },
        || pages.write_each(),
    )
}

/// The fault submits the bio, and sleeps in `folio_wait_bit_common` until the disk answers.
fn slow_disk(run: &mut Run) -> anyhow::Result<()> {
    let device = LoopDevice::free()?;
    let file = fuse::open(run.count * WINDOW / PAGE, |_| {
        let reader = READER.load(SeqCst);
        // Whoever looks at a new disk need not wait.
        if reader != 0 {
            sleep::until_asleep(reader, sleep::UNINTERRUPTIBLE)?;
            thread::sleep(HELD);
        }
        Ok(())
    })?;
    let disk = device.attach(&file)?;
    let windows = map(&disk, run.count, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
    let expected = Faults::new(Class::FileRead, Access::Read, windows)
        .major(true)
        .spends(Spends::each(Phase::Io, HELD));
    READER.store(current_tid(), SeqCst);
    run.provoke([expected], || windows.read_each())?;
    READER.store(0, SeqCst);
    Ok(())
}

/// mprotect() holds the mmap lock for writing while it changes the entries of many pages; a fault in
/// the same mapping falls back from the mapping's own lock to that one, and waits
/// (`rwsem_down_read_slowpath`).
fn contended(run: &mut Run) -> anyhow::Result<()> {
    /// Pages that make a change last.
    const BALLAST: usize = 16384;
    two_cpus()?;
    let all = Pages::anonymous(BALLAST + run.count)?;
    let (ballast, fresh) = (all.first(BALLAST), all.without_first(BALLAST));
    ballast.write_each();
    let done = Arc::new(AtomicBool::new(false));
    let changes = Arc::new(AtomicUsize::new(0));
    let changer = thread::spawn({
        let (done, changes) = (Arc::clone(&done), Arc::clone(&changes));
        move || -> nix::Result<()> {
            let executable = READ_WRITE | ProtFlags::PROT_EXEC;
            while !done.load(SeqCst) {
                for protection in [executable, READ_WRITE] {
                    changes.fetch_add(1, SeqCst);
                    all.protect(protection)?;
                }
            }
            Ok(())
        }
    });
    let expected = Faults::new(Class::AnonAlloc, Access::Write, fresh);
    let mut took = warm_clock();
    let checked = run.meter.check(std::slice::from_ref(&expected), || {
        for address in fresh.addresses() {
            let before = changes.load(SeqCst);
            while changes.load(SeqCst) == before && !changer.is_finished() {
                hint::spin_loop();
            }
            let began = Instant::now();
            write(address);
            took += began.elapsed();
        }
    });
    done.store(true, SeqCst);
    changer
        .join()
        .map_err(|_| anyhow!("the changing thread panicked"))??;
    checked?;
    run.expect([expected.spends(Spends::some(Phase::Lock, took))]);
    Ok(())
}

/// Clearing a huge page takes long, and asks between its pages whether somebody else is to run
/// (`process_huge_page`), also on a kernel that is not preempted otherwise.
fn preempted(run: &mut Run) -> anyhow::Result<()> {
    const ROUNDS: usize = 32;
    let pages = huge::transparent(run.count)?;
    let cpu = *cpus()?.first().ok_or_else(|| anyhow!("no CPU"))?;
    let done = Arc::new(AtomicBool::new(false));
    pin(Pid::from_raw(0), cpu)?;
    // It inherits the CPU.
    let competitor = thread::spawn({
        let done = Arc::clone(&done);
        move || {
            while !done.load(SeqCst) {
                hint::spin_loop();
            }
        }
    });
    let expected = Faults::new(Class::AnonHuge, Access::Write, pages).count(run.count * ROUNDS);
    let (mut took, mut refreshed) = (warm_clock(), Ok(()));
    let checked = run.meter.check(std::slice::from_ref(&expected), || {
        for _ in 0..ROUNDS {
            refreshed = refreshed.and(pages.advise(MmapAdvise::MADV_DONTNEED));
            let began = Instant::now();
            pages.write_each();
            took += began.elapsed();
        }
    });
    done.store(true, SeqCst);
    competitor
        .join()
        .map_err(|_| anyhow!("the competing thread panicked"))?;
    refreshed?;
    huge::require_huge(pages)?;
    checked?;
    run.expect([expected.spends(Spends::some(Phase::Preempted, took))]);
    Ok(())
}
