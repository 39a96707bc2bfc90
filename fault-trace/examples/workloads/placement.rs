//! Pages that the kernel moves about.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use fault_trace_common::{class::Class, error_code::Access};
use nix::{sys::mman::MmapAdvise, unistd::Pid};

use crate::{
    expect::{Faults, current_tid},
    huge,
    memory::{HUGE_PAGE, PAGE, Pages},
    meter::{Counted, Meter},
    process::{pin, two_cpus},
    restore::{Restore, watch_signals},
    scenario::{Run, Scenario, require, skip},
    warm,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "numa-hint",
        class: Some(Class::NumaHint),
        about: "reads pages that NUMA balancing has marked",
        needs: "root, CONFIG_NUMA_BALANCING, not in use",
        count: 512,
        run: numa_hint,
    },
    Scenario {
        name: "migration-wait",
        class: Some(Class::MigrationWait),
        about: "reads pages of huge pages that another thread is splitting",
        needs: "two CPUs, transparent huge pages not `never`",
        count: 32,
        run: migration_wait,
    },
];

/// How long NUMA balancing may take to come by.
const PATIENCE: Duration = Duration::from_secs(30);
const BALANCING: &str = "/proc/sys/kernel/numa_balancing";

/// `task_numa_work` makes pages inaccessible (`change_prot_numa`), and `do_numa_page` mends the entry
/// on the next touch. On x86 such an entry is not present to the CPU, so the error code says "not
/// present". Marking goes on in the background until it is switched off: how many pages are marked is
/// only known from the faults, and each page faults once at most.
fn numa_hint(run: &mut Run) -> anyhow::Result<()> {
    let Ok(setting) = fs::read_to_string(BALANCING) else {
        return skip("this kernel has no NUMA balancing");
    };
    require(setting.trim() == "0", "NUMA balancing is in use")?;
    let pages = Pages::anonymous(run.count)?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages);
    run.provoke([alloc], || pages.write_each())?;
    watch_signals()?;
    // The pages of a process with one thread on its own node are passed over (`change_pte_range`).
    let _company = Company::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        {
            let _balancing = Restore::setting(BALANCING, "1")?;
            work_until_marked(run.count, deadline)?;
        }
        // The program's own pages are marked as well, and all the marked ones may have been others.
        warm::read_again();
        let counted = run.meter.measure(|| pages.read_each())?;
        if counted.completed() > 0 {
            let expected = [Faults::new(Class::NumaHint, Access::Read, pages)
                .count(usize::try_from(counted.completed())?)
                .step(1)];
            run.meter.compare(&expected, counted)?;
            run.expect(expected);
            return Ok(());
        }
    }
}

/// The work is done by the ticks of a running thread.
fn work_until_marked(count: usize, deadline: Instant) -> anyhow::Result<()> {
    let before = marked()?;
    while marked()? < before + count as u64 {
        require(
            Instant::now() < deadline,
            "NUMA balancing marks no pages here",
        )?;
    }
    Ok(())
}

/// Entries marked on the whole machine.
fn marked() -> anyhow::Result<u64> {
    let statistics = fs::read_to_string("/proc/vmstat")?;
    let marked = statistics
        .lines()
        .find_map(|line| line.strip_prefix("numa_pte_updates "))
        .context("/proc/vmstat has no numa_pte_updates")?;
    Ok(marked.trim().parse()?)
}

/// A second thread that does nothing.
struct Company(Arc<AtomicBool>);

impl Company {
    fn new() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&done);
        thread::spawn(move || {
            while !watched.load(SeqCst) {
                thread::sleep(Duration::from_millis(100));
            }
        });
        Self(done)
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Splitting a folio puts migration entries in the place of its pages (`unmap_folio`) for a moment,
/// with the folio locked; `do_swap_page` finds one and sleeps (`migration_entry_wait`). How often the
/// threads meet is only known from the faults: the reader sleeps for nothing else. A fault that comes a
/// little sooner or later finds the entry in between, or mended, and just returns.
fn migration_wait(run: &mut Run) -> anyhow::Result<()> {
    let [own, readers] = two_cpus()?;
    pin(Pid::from_raw(0), own)?;
    let huge = huge::transparent(run.count)?;
    let alloc = Faults::new(Class::AnonHuge, Access::Write, huge);
    run.provoke([alloc], || huge.write_each())?;
    huge::require_huge(huge)?;
    let done = Arc::new(AtomicBool::new(false));
    let reader = Reader::start(huge, readers, Arc::clone(&done), run.traced);
    for address in huge.addresses() {
        // Advice on a part of a huge page splits it.
        Pages::at(address, 1)
            .advise(MmapAdvise::MADV_COLD)
            .context("MADV_COLD")?;
        thread::sleep(Duration::from_millis(1));
    }
    done.store(true, SeqCst);
    let (tid, counted) = reader.join()?;
    let waited = counted.slept.min(counted.completed());
    require(
        waited > 0,
        "the reader never had to wait for a page being split",
    )?;
    let faults = |class, count: u64| {
        anyhow::Ok(
            Faults::new(class, Access::Read, huge)
                .count(usize::try_from(count)?)
                .thread(tid)
                .step(1),
        )
    };
    run.expect([
        faults(Class::MigrationWait, waited)?,
        faults(Class::Spurious, counted.completed() - waited)?
            .or(Class::AnonZero)
            .or(Class::MigrationWait),
    ]);
    Ok(())
}

/// A thread that reads the second half of every huge page, again and again.
struct Reader {
    thread: thread::JoinHandle<anyhow::Result<Counted>>,
    tid: Arc<AtomicU32>,
}

impl Reader {
    fn start(huge: Pages, cpu: usize, done: Arc<AtomicBool>, traced: bool) -> Self {
        let tid = Arc::new(AtomicU32::new(0));
        let own = Arc::clone(&tid);
        let thread = thread::spawn(move || {
            pin(Pid::from_raw(0), cpu)?;
            warm::stack();
            let meter = Meter::new(traced)?;
            meter.measure(|| {
                own.store(current_tid(), SeqCst);
                while !done.load(SeqCst) {
                    for address in huge.addresses() {
                        Pages::at(address + HUGE_PAGE / 2, HUGE_PAGE / 2 / PAGE).read_each();
                    }
                }
            })
        });
        while tid.load(SeqCst) == 0 {
            thread::yield_now();
        }
        Self { thread, tid }
    }

    fn join(self) -> anyhow::Result<(u32, Counted)> {
        let counted = self
            .thread
            .join()
            .map_err(|_| anyhow!("the reading thread panicked"))??;
        Ok((self.tid.load(SeqCst), counted))
    }
}
