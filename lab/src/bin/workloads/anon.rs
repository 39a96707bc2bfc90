//! First touches of private anonymous memory, and the first write to the zero page.

use fault_trace_common::{class::Class, error_code::Access};

use crate::{
    expect::Faults,
    memory::Pages,
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "anon-alloc",
        class: Some(Class::AnonAlloc),
        about: "writes to fresh anonymous pages",
        needs: "nothing",
        count: 64,
        run: anon_alloc,
    },
    Scenario {
        name: "anon-zero",
        class: Some(Class::AnonZero),
        about: "reads fresh anonymous pages",
        needs: "nothing",
        count: 64,
        run: anon_zero,
    },
    Scenario {
        name: "cow-zero",
        class: Some(Class::CowZero),
        about: "reads fresh anonymous pages, then writes to them",
        needs: "nothing",
        count: 64,
        run: cow_zero,
    },
];

/// `do_anonymous_page` allocates a zeroed page for a write.
fn anon_alloc(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let expected = Faults::new(Class::AnonAlloc, Access::Write, pages);
    run.provoke([expected], || pages.write_each())
}

/// `do_anonymous_page` maps the shared zero page for a read, and moves no counter.
fn anon_zero(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let expected = Faults::new(Class::AnonZero, Access::Read, pages);
    run.provoke([expected], || pages.read_each())
}

/// `do_wp_page` finds the zero page, which belongs to nobody, and `wp_page_copy` puts a zeroed page
/// in its place.
fn cow_zero(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let read = Faults::new(Class::AnonZero, Access::Read, pages);
    run.provoke([read], || pages.read_each())?;
    let write = Faults::new(Class::CowZero, Access::Write, pages).step(1);
    run.provoke([write], || pages.write_each())
}
