//! Races between two threads for the same page.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use anyhow::anyhow;
use fault_trace_common::{class::Class, error_code::Access};
use nix::unistd::Pid;

use crate::{
    expect::Faults,
    memory::{Pages, write},
    meter::{Counted, Meter},
    process::{pin, two_cpus},
    scenario::{Run, Scenario, require},
    warm,
};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "spurious",
    class: Some(Class::Spurious),
    about: "two threads write to the same fresh page at the same moment",
    needs: "two CPUs",
    count: 4096,
    run: race,
}];

/// Both threads allocate a page; `do_anonymous_page` takes the page-table lock and finds that the
/// other was first (`vmf_pte_changed`), so it frees its own page and is done. A thread that comes
/// later still finds the entry filled (`handle_pte_fault`) and allocates nothing: nothing then tells
/// a tracer what was raced for.
fn race(run: &mut Run) -> anyhow::Result<()> {
    let [first, second] = two_cpus()?;
    let pages = Pages::anonymous(run.count)?;
    let traced = run.traced;
    let arrived = Arc::new(AtomicUsize::new(0));
    let racers = [(first, Arc::clone(&arrived)), (second, arrived)].map(|(cpu, arrived)| {
        thread::spawn(move || {
            pin(Pid::from_raw(0), cpu)?;
            write_together(pages, &arrived, traced)
        })
    });
    let mut completed = 0;
    for racer in racers {
        let counted = racer
            .join()
            .map_err(|_| anyhow!("a racing thread panicked"))??;
        completed += usize::try_from(counted.completed())?;
    }
    let lost = completed.saturating_sub(run.count);
    require(lost > 0, "the two threads never met; try a larger --count")?;
    run.expect([
        Faults::new(Class::AnonAlloc, Access::Write, pages).any_thread(),
        Faults::new(Class::Spurious, Access::Write, pages)
            .count(lost)
            .any_thread()
            .or(Class::AnonAlloc),
    ]);
    Ok(())
}

/// Writes to each page when the other thread is about to.
fn write_together(pages: Pages, arrived: &AtomicUsize, traced: bool) -> anyhow::Result<Counted> {
    warm::stack();
    let meter = Meter::new(traced)?;
    meter.measure(|| {
        for (index, address) in pages.addresses().enumerate() {
            arrived.fetch_add(1, SeqCst);
            let mut turns = 0u32;
            while arrived.load(SeqCst) < 2 * (index + 1) {
                turns += 1;
                if turns.is_multiple_of(4096) {
                    thread::yield_now();
                }
            }
            write(address);
        }
    })
}
