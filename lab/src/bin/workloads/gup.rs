//! Pages brought in by `get_user_pages` and its like: the kernel counts faults, and there is no
//! exception. A tracer must record nothing here, and reconcile its totals.

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
};

use anyhow::Context as _;
use nix::sys::mman::{MapFlags, mlock};

use crate::{
    expect::Line,
    file::{self, WINDOW},
    memory::{Pages, READ_WRITE},
    scenario::{Run, Scenario, skip},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "gup-populate",
        class: None,
        about: "maps anonymous memory with MAP_POPULATE",
        needs: "nothing",
        count: 64,
        run: populate,
    },
    Scenario {
        name: "gup-mlock",
        class: None,
        about: "locks fresh anonymous memory",
        needs: "RLIMIT_MEMLOCK",
        count: 64,
        run: lock,
    },
    Scenario {
        name: "gup-proc-mem",
        class: None,
        about: "writes to fresh anonymous memory through /proc/self/mem",
        needs: "nothing",
        count: 64,
        run: proc_mem,
    },
    Scenario {
        name: "gup-direct",
        class: None,
        about: "reads a file into fresh anonymous memory with O_DIRECT",
        needs: "--dir on a disk, on a file system with O_DIRECT",
        count: 64,
        run: direct,
    },
];

/// Does `work`, which must bring in every page of what it returns without an exception.
fn provoke(run: &mut Run, work: impl FnOnce() -> anyhow::Result<Pages>) -> anyhow::Result<()> {
    let mut range = None;
    let counted = run.meter.measure(|| range = Some(work()))?;
    let range = range.context("the work was not done")??;
    run.meter.compare_gup(range.count() as u64, counted)?;
    run.line(Line::Gup {
        count: range.count(),
        range,
    });
    Ok(())
}

/// `populate_vma_page_range`.
fn populate(run: &mut Run) -> anyhow::Result<()> {
    let count = run.count;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_POPULATE;
    provoke(run, || Pages::map_anonymous(count, READ_WRITE, flags))
}

/// mlock(2) populates as well.
fn lock(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let mut locked = Ok(());
    provoke(run, || {
        // SAFETY: the pages are mapped, and stay so.
        locked = unsafe { mlock(pages.pointer(), pages.bytes()) };
        Ok(pages)
    })
    .or_else(|error| match locked {
        Ok(()) => Err(error),
        Err(_) => skip("RLIMIT_MEMLOCK is too small"),
    })
}

/// `access_remote_vm`.
fn proc_mem(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let content = vec![1; pages.bytes()];
    let memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    provoke(run, || {
        memory.write_all_at(&content, pages.start as u64)?;
        Ok(pages)
    })
}

/// `iov_iter_extract_pages` pins the pages for the device to write to.
fn direct(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let file = file::on_disk(&run.dir, pages.bytes().div_ceil(WINDOW))?;
    let mut file: File = match OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(file::path(&file))
    {
        Ok(file) => file,
        Err(error) => return skip(format!("O_DIRECT: {error}")),
    };
    provoke(run, || {
        // SAFETY: mapped, and nothing else uses it.
        file.read_exact(unsafe { pages.as_bytes() })?;
        Ok(pages)
    })
}
