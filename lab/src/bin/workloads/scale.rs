//! Many threads, and many processes.

use std::thread;

use anyhow::anyhow;
use fault_trace_common::{class::Class, error_code::Access};

use crate::{
    expect::{Faults, current_tid},
    memory::Pages,
    meter::Meter,
    process::Child,
    scenario::{Run, Scenario},
    warm,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "threads",
        class: Some(Class::AnonAlloc),
        about: "64 threads each write to fresh pages of their own",
        needs: "nothing",
        count: 64,
        run: threads,
    },
    Scenario {
        name: "fork-storm",
        class: Some(Class::AnonAlloc),
        about: "100 children each write to fresh pages of their own",
        needs: "nothing",
        count: 64,
        run: fork_storm,
    },
];

const THREADS: usize = 64;
const CHILDREN: usize = 100;

/// Each thread has another number of pages, so that faults given to the wrong thread show.
fn threads(run: &mut Run) -> anyhow::Result<()> {
    let traced = run.traced;
    let threads: Vec<_> = (0..THREADS)
        .map(|index| {
            let pages = Pages::anonymous(run.count + index)?;
            anyhow::Ok(thread::spawn(move || {
                warm::stack();
                let meter = Meter::new(traced)?;
                let expected =
                    Faults::new(Class::AnonAlloc, Access::Write, pages).thread(current_tid());
                meter.check(std::slice::from_ref(&expected), || pages.write_each())?;
                anyhow::Ok(expected)
            }))
        })
        .collect::<Result<_, _>>()?;
    for thread in threads {
        let faults = thread.join().map_err(|_| anyhow!("a thread panicked"))??;
        run.expect([faults]);
    }
    Ok(())
}

/// All children use the same addresses.
fn fork_storm(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count + CHILDREN)?;
    let traced = run.traced;
    let children: Vec<_> = (0..CHILDREN)
        .map(|index| {
            let own = pages.first(run.count + index);
            let faults = || Faults::new(Class::AnonAlloc, Access::Write, own);
            let child = Child::start(|| {
                Meter::new(traced)?.check(&[faults()], || own.write_each())?;
                Ok(())
            })?;
            run.expect([faults().process(child.id())]);
            Ok(child)
        })
        .collect::<anyhow::Result<_>>()?;
    children.into_iter().try_for_each(Child::join)
}
