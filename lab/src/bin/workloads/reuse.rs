//! Writes to a page that turns out to belong to nobody else.

use std::fs;

use anyhow::Context as _;
use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::ProtFlags;

use crate::{
    cow::written,
    expect::Faults,
    huge,
    memory::READ_WRITE,
    process::{Child, Gate, pin_to_one_cpu},
    scenario::{Run, Scenario, require},
    warm,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "write-reuse",
        class: Some(Class::WriteReuse),
        about: "a parent writes to its pages after its child is gone",
        needs: "nothing",
        count: 64,
        run: after_exit,
    },
    Scenario {
        name: "write-reuse-copied",
        class: Some(Class::WriteReuse),
        about: "a parent writes to its pages after its child has copied them",
        needs: "nothing",
        count: 64,
        run: after_copy,
    },
    Scenario {
        name: "write-reuse-huge",
        class: Some(Class::WriteReuse),
        about: "a parent writes to its huge pages after its child is gone",
        needs: "transparent huge pages not `never`",
        count: 4,
        run: huge_after_exit,
    },
    Scenario {
        name: "write-reuse-mprotect",
        class: Some(Class::WriteReuse),
        about: "writes after an mprotect round trip; no fault since Linux 5.19",
        needs: "nothing",
        count: 64,
        run: after_mprotect,
    },
    Scenario {
        name: "write-reuse-soft-dirty",
        class: Some(Class::WriteReuse),
        about: "writes after the soft-dirty bits were cleared",
        needs: "CONFIG_MEM_SOFT_DIRTY",
        count: 64,
        run: after_clear_refs,
    },
];

/// The fork left the pages write-protected; `wp_can_reuse_anon_folio` finds a single reference, and
/// `wp_page_reuse` makes the entry writable. Nothing is allocated, nothing counted.
fn after_exit(run: &mut Run) -> anyhow::Result<()> {
    let pages = written(run)?;
    Child::start(|| Ok(()))?.join()?;
    let expected = Faults::new(Class::WriteReuse, Access::Write, pages).step(1);
    run.provoke([expected], || pages.write_each())
}

/// The child lives, but has given every page up for a copy of its own.
fn after_copy(run: &mut Run) -> anyhow::Result<()> {
    let pages = written(run)?;
    let (copied, done) = (Gate::new()?, Gate::new()?);
    let child = Child::start(|| {
        pages.write_each();
        copied.open()?;
        done.wait()
    })?;
    let copies = Faults::new(Class::CowAnon, Access::Write, pages).process(child.id());
    copied.wait()?;
    let expected = Faults::new(Class::WriteReuse, Access::Write, pages).step(1);
    let result = run.provoke([expected], || pages.write_each());
    done.open()?;
    child.join()?;
    run.expect([copies]);
    result
}

/// `do_huge_pmd_wp_page` does the same for a huge page: one fault for 2 MiB.
fn huge_after_exit(run: &mut Run) -> anyhow::Result<()> {
    pin_to_one_cpu()?;
    let pages = huge::transparent(run.count)?;
    let alloc = Faults::new(Class::AnonHuge, Access::Write, pages);
    run.provoke([alloc], || pages.write_each())?;
    huge::require_huge(pages)?;
    Child::start(|| Ok(()))?.join()?;
    let expected = Faults::new(Class::WriteReuse, Access::Write, pages).step(1);
    run.provoke([expected], || pages.write_each())
}

/// `change_pte_range` makes exclusive pages writable again (`can_change_private_pte_writable`); older
/// kernels left that to the next write. The kernel's own count says which this one does.
fn after_mprotect(run: &mut Run) -> anyhow::Result<()> {
    let pages = written(run)?;
    pages.protect(ProtFlags::PROT_READ)?;
    pages.protect(READ_WRITE)?;
    let counted = run.meter.measure(|| pages.write_each())?;
    let faults = if counted.completed() == 0 {
        0
    } else {
        run.count
    };
    let expected = [Faults::new(Class::WriteReuse, Access::Write, pages)
        .count(faults)
        .step(1)];
    run.meter.compare(&expected, counted)?;
    run.expect(expected);
    Ok(())
}

/// `clear_soft_dirty` write-protects every page of the process, so that the next write tells.
fn after_clear_refs(run: &mut Run) -> anyhow::Result<()> {
    const SOFT_DIRTY: &str = "4";
    let pages = written(run)?;
    fs::write("/proc/self/clear_refs", SOFT_DIRTY).context("clear_refs")?;
    // The program's own pages, too.
    warm::again();
    let counted = run.meter.measure(|| pages.write_each())?;
    require(
        counted.completed() > 0,
        "this kernel has no CONFIG_MEM_SOFT_DIRTY",
    )?;
    let expected = [Faults::new(Class::WriteReuse, Access::Write, pages).step(1)];
    run.meter.compare(&expected, counted)?;
    run.expect(expected);
    Ok(())
}
