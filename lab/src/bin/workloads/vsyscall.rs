//! Calls of the legacy vsyscall page.

use std::fs;

use fault_trace_common::{class::Class, error_code::Access, region::VSYSCALL};

use crate::{
    expect::Faults,
    memory::{PAGE, Pages},
    scenario::{Run, Scenario, require},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "vsyscall",
        class: Some(Class::Vsyscall),
        about: "calls time() of the vsyscall page",
        needs: "vsyscall not `none`",
        count: 64,
        run: time,
    },
    Scenario {
        name: "vsyscall-nested",
        class: Some(Class::Vsyscall),
        about: "calls gettimeofday() of the vsyscall page with fresh memory: a fault in a fault",
        needs: "vsyscall not `none`",
        count: 64,
        run: nested,
    },
];

/// `__vsyscall_page`: the entry points, in bytes from its start.
const GETTIMEOFDAY: usize = 0;
const TIME: usize = 1024;

type Entry = extern "C" fn(usize, usize) -> isize;

fn entry(offset: usize) -> anyhow::Result<Entry> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    require(
        maps.contains("[vsyscall]"),
        "this kernel has no vsyscall page",
    )?;
    let address = usize::try_from(VSYSCALL.start)? + offset;
    // SAFETY: the kernel emulates a call there, by the System V calling convention.
    Ok(unsafe { std::mem::transmute::<*const (), Entry>(std::ptr::without_provenance(address)) })
}

fn faults(count: usize) -> anyhow::Result<Faults> {
    let page = Pages::at(usize::try_from(VSYSCALL.start)?, 1);
    Ok(Faults::new(Class::Vsyscall, Access::Exec, page).count(count))
}

/// The page is mapped without the right to execute; `emulate_vsyscall` does the call in the fault.
fn time(run: &mut Run) -> anyhow::Result<()> {
    let time = entry(TIME)?;
    let count = run.count;
    run.provoke([faults(count)?], || {
        for _ in 0..count {
            time(0, 0);
        }
    })
}

/// The emulated call writes to its argument, and takes a fault in kernel mode while the first one is
/// still open.
fn nested(run: &mut Run) -> anyhow::Result<()> {
    let gettimeofday = entry(GETTIMEOFDAY)?;
    let pages = Pages::anonymous(run.count)?.every(PAGE);
    let inner = Faults::new(Class::AnonAlloc, Access::Write, pages).kernel_mode();
    run.provoke([faults(run.count)?, inner], || {
        for address in pages.addresses() {
            gettimeofday(address, 0);
        }
    })
}
