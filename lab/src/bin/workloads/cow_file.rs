//! Private copies of file pages.

use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::MapFlags;

use crate::{
    expect::Faults,
    file,
    memory::{Pages, READ_WRITE},
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "cow-file",
        class: Some(Class::CowFile),
        about: "writes to a fresh private mapping of a cached file",
        needs: "--dir on a disk",
        count: 64,
        run: |run| {
            let windows = on_disk(run)?;
            write_fresh(run, windows)
        },
    },
    Scenario {
        name: "cow-file-present",
        class: Some(Class::CowFile),
        about: "reads a private mapping of a cached file, then writes to it",
        needs: "--dir on a disk",
        count: 64,
        run: |run| {
            let windows = on_disk(run)?;
            read_then_write(run, windows, Class::FileCached)
        },
    },
    Scenario {
        name: "cow-file-memfd",
        class: Some(Class::CowFile),
        about: "writes to a fresh private mapping of a memfd",
        needs: "nothing",
        count: 64,
        run: |run| {
            let pages = in_memory(run)?;
            write_fresh(run, pages)
        },
    },
    Scenario {
        name: "cow-file-memfd-present",
        class: Some(Class::CowFile),
        about: "reads a private mapping of a memfd, then writes to it",
        needs: "nothing",
        count: 64,
        run: |run| {
            let pages = in_memory(run)?;
            read_then_write(run, pages, Class::Shmem)
        },
    },
];

fn on_disk(run: &Run) -> anyhow::Result<Pages> {
    let file = file::cached(&run.dir, run.count)?;
    file::map(&file, run.count, READ_WRITE, MapFlags::MAP_PRIVATE)
}

/// One page a window, as for a file on a disk: `do_fault_around` maps what is in memory.
fn in_memory(run: &Run) -> anyhow::Result<Pages> {
    let file = file::in_memory(run.count * file::WINDOW / crate::memory::PAGE)?;
    file::map(&file, run.count, READ_WRITE, MapFlags::MAP_PRIVATE)
}

/// `do_cow_fault` fetches the page and maps a copy, all in one fault; only MM_ANONPAGES moves.
fn write_fresh(run: &mut Run, windows: Pages) -> anyhow::Result<()> {
    let expected = Faults::new(Class::CowFile, Access::Write, windows);
    run.provoke([expected], || windows.write_each())
}

/// `do_read_fault` maps the file's page read-only; then `wp_page_copy` puts an anonymous copy in its
/// place, and MM_FILEPAGES (tmpfs: MM_SHMEMPAGES) and MM_ANONPAGES both move.
fn read_then_write(run: &mut Run, windows: Pages, first: Class) -> anyhow::Result<()> {
    let read = Faults::new(first, Access::Read, windows);
    run.provoke([read], || windows.read_each())?;
    let write = Faults::new(Class::CowFile, Access::Write, windows).step(1);
    run.provoke([write], || windows.write_each())
}
