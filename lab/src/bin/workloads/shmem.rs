//! First touches of shared memory: anonymous, memfd and tmpfs.

use std::path::Path;

use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::{
    mman::{MapFlags, ProtFlags},
    statfs::{TMPFS_MAGIC, statfs},
};

use crate::{
    expect::Faults,
    file,
    memory::{PAGE, Pages, READ_WRITE},
    scenario::{Run, Scenario, require},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "shmem-anonymous",
        class: Some(Class::Shmem),
        about: "writes to fresh shared anonymous pages",
        needs: "nothing",
        count: 64,
        run: |run| {
            let pages = Pages::map_anonymous(run.count, READ_WRITE, MapFlags::MAP_SHARED)?;
            write(run, pages)
        },
    },
    Scenario {
        name: "shmem-memfd",
        class: Some(Class::Shmem),
        about: "writes to fresh pages of a memfd",
        needs: "nothing",
        count: 64,
        run: |run| {
            let file = file::empty_in_memory(run.count)?;
            let pages = Pages::map_file(run.count, READ_WRITE, MapFlags::MAP_SHARED, file)?;
            write(run, pages)
        },
    },
    Scenario {
        name: "shmem-tmpfs",
        class: Some(Class::Shmem),
        about: "writes to fresh pages of a file in /dev/shm",
        needs: "tmpfs on /dev/shm",
        count: 64,
        run: tmpfs,
    },
    Scenario {
        name: "shmem-read",
        class: Some(Class::Shmem),
        about: "reads fresh shared anonymous pages, then writes to them: no second fault",
        needs: "nothing",
        count: 64,
        run: read_then_write,
    },
];

/// `do_shared_fault` calls `shmem_fault`, which allocates the page; MM_SHMEMPAGES moves.
fn write(run: &mut Run, pages: Pages) -> anyhow::Result<()> {
    let expected = Faults::new(Class::Shmem, Access::Write, pages);
    run.provoke([expected], || pages.write_each())
}

fn tmpfs(run: &mut Run) -> anyhow::Result<()> {
    let dir = Path::new("/dev/shm");
    let kind = statfs(dir).map(|statfs| statfs.filesystem_type());
    require(kind == Ok(TMPFS_MAGIC), "/dev/shm is not tmpfs")?;
    let file = tempfile::tempfile_in(dir)?;
    file.set_len((run.count * PAGE) as u64)?;
    let pages = Pages::map_file(run.count, READ_WRITE, MapFlags::MAP_SHARED, file)?;
    write(run, pages)
}

/// `shmem_fault` allocates for a read, too; with nobody to be told of the first write
/// (`vma_wants_writenotify`), the page is mapped writable at once.
fn read_then_write(run: &mut Run) -> anyhow::Result<()> {
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let pages = Pages::map_anonymous(run.count, protection, MapFlags::MAP_SHARED)?;
    let expected = Faults::new(Class::Shmem, Access::Read, pages);
    run.provoke([expected], || {
        pages.read_each();
        pages.write_each();
    })
}
