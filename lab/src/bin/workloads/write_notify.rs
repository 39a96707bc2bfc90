//! First writes to pages of a shared file mapping that are mapped read-only.

use anyhow::Context as _;
use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::{MapFlags, MsFlags, msync};

use crate::{
    expect::Faults,
    file,
    memory::{Pages, READ_WRITE},
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "write-notify",
        class: Some(Class::WriteNotify),
        about: "reads a shared mapping of a cached file, then writes to it",
        needs: "--dir on a disk, with a file system that has page_mkwrite",
        count: 64,
        run: |run| read_then_write(run).map(drop),
    },
    Scenario {
        name: "write-notify-again",
        class: Some(Class::WriteNotify),
        about: "the same, and once more after an msync",
        needs: "--dir on a disk, with a file system that has page_mkwrite",
        count: 64,
        run: again_after_writeback,
    },
];

/// The file system wants to know of the first write (`vma_wants_writenotify`), so a read maps the
/// page read-only; `wp_page_shared` calls `page_mkwrite` and makes the entry writable.
fn read_then_write(run: &mut Run) -> anyhow::Result<Pages> {
    let file = file::cached(&run.dir, run.count)?;
    let windows = file::map(&file, run.count, READ_WRITE, MapFlags::MAP_SHARED)?;
    let read = Faults::new(Class::FileCached, Access::Read, windows);
    run.provoke([read], || windows.read_each())?;
    let write = Faults::new(Class::WriteNotify, Access::Write, windows).step(1);
    run.provoke([write], || windows.write_each())?;
    Ok(windows)
}

/// Writing a page out makes it clean, and `folio_mkclean` its entries read-only.
fn again_after_writeback(run: &mut Run) -> anyhow::Result<()> {
    let windows = read_then_write(run)?;
    // SAFETY: writes the mapping out and changes nothing in it.
    unsafe { msync(windows.pointer(), windows.bytes(), MsFlags::MS_SYNC) }.context("msync")?;
    let again = Faults::new(Class::WriteNotify, Access::Write, windows).step(2);
    run.provoke([again], || windows.write_each())
}
