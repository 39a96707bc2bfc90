//! Pages that the kernel moves about.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    thread,
    time::Duration,
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
    scenario::{Run, Scenario, require},
    warm,
};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "migration-wait",
    class: Some(Class::MigrationWait),
    about: "reads pages of huge pages that another thread is splitting",
    needs: "two CPUs, transparent huge pages not `never`",
    count: 32,
    run: migration_wait,
}];

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
