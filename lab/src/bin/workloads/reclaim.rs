//! Faults that have to make room first.

use std::{fs, io::Read as _, path::Path};

use anyhow::Context as _;
use fault_trace_common::{class::Class, error_code::Access};

use crate::{
    cgroup::MemoryCgroup,
    expect::Faults,
    file::{self, WINDOW},
    memory::{PAGE, Pages},
    process::Child,
    restore::Restore,
    scenario::{Run, Scenario, require},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "reclaim-memcg",
        class: Some(Class::AnonAlloc),
        about: "a child outgrows its memory cgroup, which is full of a file that can go",
        needs: "root, a memory cgroup, --dir on a disk",
        count: 4096,
        run: outgrown,
    },
    Scenario {
        name: "reclaim-global",
        class: Some(Class::AnonAlloc),
        about: "writes to fresh pages while the machine's memory is full of a file that can go",
        needs: "root, a small machine, --dir on a disk",
        count: 4096,
        run: machine_full,
    },
];

/// More memory than this takes too long to fill, bytes.
const SMALL: usize = 4 << 30;

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

/// With a reserve that is not there, `__alloc_pages_direct_reclaim` makes room in the fault. With several
/// CPUs kswapd is quicker; there `node_reclaim` does it, which comes before kswapd is woken.
fn machine_full(run: &mut Run) -> anyhow::Result<()> {
    let total = memory_bytes()?;
    require(
        total <= SMALL,
        "this machine has much memory, and others use it",
    )?;
    let mut cached = tempfile::tempfile_in(&run.dir)?;
    // Nothing but holes, which the page cache keeps like data.
    cached.set_len(total as u64)?;
    let mut buffer = vec![0; WINDOW];
    while cached.read(&mut buffer)? > 0 {}
    let node_reclaim = Path::new("/proc/sys/vm/zone_reclaim_mode");
    let _node_reclaim = if node_reclaim.exists() {
        Some(Restore::setting(node_reclaim, "1")?)
    } else {
        None
    };
    let reserve = (total / 8 / 1024).to_string();
    let _reserve = Restore::setting("/proc/sys/vm/min_free_kbytes", &reserve)?;
    let pages = Pages::anonymous(run.count)?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages).shows("reclaimed");
    run.provoke([alloc], || pages.write_each())
}

fn memory_bytes() -> anyhow::Result<usize> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let total = text.lines().find_map(|line| {
        let total = line.strip_prefix("MemTotal:")?.trim();
        total.strip_suffix(" kB")?.parse::<usize>().ok()
    });
    Ok(total.context("/proc/meminfo has no MemTotal")? * 1024)
}
