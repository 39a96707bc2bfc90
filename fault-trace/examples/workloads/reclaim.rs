//! Faults that have to make room first.

use std::{fs, io::Read as _};

use fault_trace_common::{class::Class, error_code::Access};

use crate::{
    cgroup::MemoryCgroup,
    expect::Faults,
    file::{self, WINDOW},
    memory::{PAGE, Pages},
    process::Child,
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "reclaim-memcg",
    class: Some(Class::AnonAlloc),
    about: "a child outgrows its memory cgroup, which is full of a file that can go",
    needs: "root, a memory cgroup, --dir on a disk",
    count: 4096,
    run: outgrown,
}];

/// `try_charge_memcg` reclaims within the cgroup, in the fault, and finds clean pages of the page cache.
fn outgrown(run: &mut Run) -> anyhow::Result<()> {
    let cgroup = MemoryCgroup::new(run.count * PAGE)?;
    let mut cached = file::on_disk(&run.dir, run.count * PAGE / WINDOW)?;
    // The cgroup is to be charged for it.
    file::evict(&cached)?;
    let pages = Pages::anonymous(run.count / 2)?;
    let child = Child::start(|| {
        fs::write(cgroup.processes(), std::process::id().to_string())?;
        std::io::Seek::rewind(&mut cached)?;
        let mut buffer = vec![0; WINDOW];
        while cached.read(&mut buffer)? > 0 {}
        pages.write_each();
        Ok(())
    })?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages)
        .process(child.id())
        .shows("reclaimed");
    child.join()?;
    run.expect([alloc]);
    Ok(())
}
