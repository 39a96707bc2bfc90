//! A process that the OOM killer ends in the middle of a fault.

use std::{fs, sync::atomic::Ordering::SeqCst};

use anyhow::{bail, ensure};
use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::{signal::Signal, wait::WaitStatus};

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

/// `mem_cgroup_oom` in `charge_memcg` kills the only process there is, the fault ends with
/// VM_FAULT_OOM, and the process dies on its way back to user mode.
fn outgrown(run: &mut Run) -> anyhow::Result<()> {
    let cgroup = MemoryCgroup::new(run.count * PAGE)?;
    let pages = Pages::anonymous(4 * run.count)?;
    let touched = shared_word()?;
    let child = Child::start(|| {
        fs::write(cgroup.processes(), std::process::id().to_string())?;
        for address in pages.addresses() {
            write(address);
            touched.fetch_add(1, SeqCst);
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
    let rest = pages.without_first(touched);
    run.expect([
        Faults::new(Class::AnonAlloc, Access::Write, pages.first(touched)).process(id),
        Faults::new(Class::Oom, Access::Write, rest)
            .count(1)
            .process(id),
    ]);
    Ok(())
}
