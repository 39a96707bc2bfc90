//! A process that the OOM killer ends in the middle of a fault.

use std::{fs, sync::atomic::Ordering::SeqCst};

use anyhow::{bail, ensure};
use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::{
    resource::{UsageWho, getrusage},
    signal::Signal,
    wait::WaitStatus,
};

use crate::{
    cgroup::MemoryCgroup,
    expect::Faults,
    memory::{PAGE, Pages, write},
    process::{Child, shared_word},
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "oom",
    class: Some(Class::Oom),
    about: "a child outgrows the limit of its memory cgroup",
    needs: "root, a memory cgroup",
    count: 4096,
    run: outgrown,
}];

/// Attempts until the kernel refuses the last page.
const ATTEMPTS_MAX: usize = 20;

/// `mem_cgroup_oom` in `charge_memcg` kills the only process there is, the fault ends with
/// VM_FAULT_OOM, and the process dies on its way back to user mode.
fn outgrown(run: &mut Run) -> anyhow::Result<()> {
    for _ in 0..ATTEMPTS_MAX {
        if is_refused(run)? {
            return Ok(());
        }
    }
    bail!("the kernel gave the victim its last page {ATTEMPTS_MAX} times")
}

/// Has a child outgrow its cgroup; returns whether its last fault failed. It may not: the killer done, the
/// kernel tries the charge once more, and where a page was given back meanwhile, it succeeds
/// (mm/memcontrol.c:try_charge_memcg (v6.12), `retry`). Then the victim has taken a whole fault more than it
/// could tell, which its own count shows: failed ones do not count (mm/memory.c:mm_account_fault).
fn is_refused(run: &mut Run) -> anyhow::Result<bool> {
    let cgroup = MemoryCgroup::new(run.count * PAGE)?;
    let pages = Pages::anonymous(4 * run.count)?;
    let (touched, counted) = (shared_word()?, shared_word()?);
    let before = minor_faults(UsageWho::RUSAGE_CHILDREN)?;
    let child = Child::start(|| {
        fs::write(cgroup.processes(), std::process::id().to_string())?;
        for address in pages.addresses() {
            write(address);
            // The first round takes faults on the program itself, and on these words.
            if touched.fetch_add(1, SeqCst) == 0 {
                counted.store(0, SeqCst);
                counted.store(minor_faults(UsageWho::RUSAGE_SELF)?, SeqCst);
            }
        }
        bail!("the limit did not hold")
    })?;
    let id = child.id();
    match child.wait()? {
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => (),
        status => bail!("the child was not killed: {status:?}"),
    }
    let touched = touched.load(SeqCst);
    ensure!(touched < pages.count(), "the child was killed too late");
    let all = minor_faults(UsageWho::RUSAGE_CHILDREN)? - before;
    let since_first = all - counted.load(SeqCst);
    let is_refused = match since_first.checked_sub(touched - 1) {
        Some(0) => true,
        Some(1) => false,
        _ => bail!("{since_first} faults of {touched} pages"),
    };
    let completed = touched + usize::from(!is_refused);
    run.expect([Faults::new(Class::AnonAlloc, Access::Write, pages.first(completed)).process(id)]);
    if is_refused {
        let rest = pages.without_first(touched);
        run.expect([Faults::new(Class::Oom, Access::Write, rest)
            .count(1)
            .process(id)]);
    }
    Ok(is_refused)
}

fn minor_faults(whose: UsageWho) -> anyhow::Result<usize> {
    Ok(usize::try_from(getrusage(whose)?.minor_page_faults())?)
}
