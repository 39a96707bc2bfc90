//! Copies of private anonymous pages after a fork.

use fault_trace_common::{class::Class, error_code::Access};

use crate::{
    expect::Faults,
    memory::Pages,
    meter::Meter,
    process::{Child, Gate, pin_to_one_cpu},
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "cow-anon-child",
        class: Some(Class::CowAnon),
        about: "a forked child writes to its parent's pages",
        needs: "nothing",
        count: 64,
        run: child_writes,
    },
    Scenario {
        name: "cow-anon-parent",
        class: Some(Class::CowAnon),
        about: "a parent writes to pages it shares with a child",
        needs: "nothing",
        count: 64,
        run: parent_writes,
    },
];

/// The parent's first touch.
pub(crate) fn written(run: &mut Run) -> anyhow::Result<Pages> {
    pin_to_one_cpu()?;
    let pages = Pages::anonymous(run.count)?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages);
    run.provoke([alloc], || pages.write_each())?;
    Ok(pages)
}

/// `copy_present_ptes` write-protected the pages in both; `do_wp_page` finds another user, so
/// `wp_page_copy` allocates. The counters stay: one anonymous page for another.
fn child_writes(run: &mut Run) -> anyhow::Result<()> {
    let pages = written(run)?;
    let traced = run.traced;
    let child = Child::start(|| {
        let expected = Faults::new(Class::CowAnon, Access::Write, pages);
        Meter::new(traced)?.check(&[expected], || pages.write_each())?;
        Ok(())
    })?;
    let expected = Faults::new(Class::CowAnon, Access::Write, pages).process(child.id());
    child.join()?;
    run.expect([expected]);
    Ok(())
}

/// The same from the other side: the child lives, and holds every page.
fn parent_writes(run: &mut Run) -> anyhow::Result<()> {
    let pages = written(run)?;
    let done = Gate::new()?;
    let child = Child::start(|| done.wait())?;
    let expected = Faults::new(Class::CowAnon, Access::Write, pages).step(1);
    let result = run.provoke([expected], || pages.write_each());
    done.open()?;
    child.join()?;
    result
}
