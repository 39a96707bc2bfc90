//! First touches of file mappings: found in the page cache, or read from the disk.

use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::mman::{MapFlags, ProtFlags};

use crate::{
    expect::Faults,
    file,
    memory::READ_WRITE,
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "file-cached-private",
        class: Some(Class::FileCached),
        about: "reads a private mapping of a cached file",
        needs: "--dir on a disk",
        count: 64,
        run: |run| cached(run, MapFlags::MAP_PRIVATE),
    },
    Scenario {
        name: "file-cached-shared",
        class: Some(Class::FileCached),
        about: "reads a shared mapping of a cached file",
        needs: "--dir on a disk",
        count: 64,
        run: |run| cached(run, MapFlags::MAP_SHARED),
    },
    Scenario {
        name: "file-cached-write",
        class: Some(Class::FileCached),
        about: "writes to a fresh shared mapping of a cached file",
        needs: "--dir on a disk",
        count: 64,
        run: cached_write,
    },
    Scenario {
        name: "file-cached-exec",
        class: Some(Class::FileCached),
        about: "runs code in a mapping of a cached file",
        needs: "--dir on a disk that is not noexec",
        count: 64,
        run: cached_exec,
    },
    Scenario {
        name: "file-read",
        class: Some(Class::FileRead),
        about: "reads a mapping of a file that is not cached",
        needs: "--dir on a disk",
        count: 64,
        run: file_read,
    },
];

/// `do_fault_around` maps the cached pages of an aligned 64 KiB window at once (`filemap_map_pages`),
/// so one page a window is touched.
fn cached(run: &mut Run, flags: MapFlags) -> anyhow::Result<()> {
    let file = file::cached(&run.dir, run.count)?;
    let windows = file::map(&file, run.count, ProtFlags::PROT_READ, flags)?;
    let expected = Faults::new(Class::FileCached, Access::Read, windows);
    run.provoke([expected], || windows.read_each())
}

/// `do_shared_fault` finds the page in the cache, calls `page_mkwrite` and maps it writable, all in
/// one fault, for one page.
fn cached_write(run: &mut Run) -> anyhow::Result<()> {
    let file = file::cached(&run.dir, run.count)?;
    let windows = file::map(&file, run.count, READ_WRITE, MapFlags::MAP_SHARED)?;
    let expected = Faults::new(Class::FileCached, Access::Write, windows);
    run.provoke([expected], || windows.write_each())
}

/// As for a read, but the access is an instruction fetch.
fn cached_exec(run: &mut Run) -> anyhow::Result<()> {
    let file = file::cached(&run.dir, run.count)?;
    file::fill_with_return(&file, run.count)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    let Ok(windows) = file::map(&file, run.count, protection, MapFlags::MAP_PRIVATE) else {
        return crate::scenario::skip("--dir is mounted noexec");
    };
    let expected = Faults::new(Class::FileCached, Access::Exec, windows);
    run.provoke([expected], || {
        for address in windows.addresses() {
            // SAFETY: the first instruction of each window is `ret`.
            let code: extern "C" fn() =
                unsafe { std::mem::transmute(std::ptr::with_exposed_provenance::<()>(address)) };
            code();
        }
    })
}

/// `filemap_fault` finds nothing in the cache, reads one page (MADV_RANDOM: no readahead) and waits
/// for it; VM_FAULT_MAJOR.
fn file_read(run: &mut Run) -> anyhow::Result<()> {
    let file = file::on_disk(&run.dir, run.count)?;
    file::evict(&file)?;
    let windows = file::map(&file, run.count, ProtFlags::PROT_READ, MapFlags::MAP_SHARED)?;
    let expected = Faults::new(Class::FileRead, Access::Read, windows).major(true);
    run.provoke([expected], || windows.read_each())
}
