//! Accesses that end in SIGBUS.

use std::fs::File;

use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::{
    mman::{MapFlags, ProtFlags},
    signal::Signal,
};

use crate::{
    catch::{Catcher, try_read},
    expect::Faults,
    file::{self, WINDOW},
    memory::{PAGE, Pages},
    scenario::{Run, Scenario, require},
    uffd::{self, Userfault},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sigbus",
        class: Some(Class::Sigbus),
        about: "reads a file mapping past the end of the file",
        needs: "--dir on a disk",
        count: 64,
        run: past_the_end,
    },
    Scenario {
        name: "sigbus-memfd",
        class: Some(Class::Sigbus),
        about: "reads a mapping of a memfd that was truncated",
        needs: "nothing",
        count: 64,
        run: truncated,
    },
    Scenario {
        name: "hwpoison",
        class: Some(Class::Hwpoison),
        about: "reads pages that a userfaultfd has marked as broken",
        needs: "root, Linux 6.6, CONFIG_MEMORY_FAILURE",
        count: 64,
        run: poisoned,
    },
];

const BUS_ADRERR: i32 = 2;
const BUS_MCEERR_AR: i32 = 4;

fn shared(file: &File, count: usize) -> anyhow::Result<Pages> {
    Pages::map_file(count, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, file)
}

/// `filemap_fault` finds the offset past the end: VM_FAULT_SIGBUS.
fn past_the_end(run: &mut Run) -> anyhow::Result<()> {
    let file = file::on_disk(&run.dir, 1)?;
    let inside = WINDOW / PAGE;
    let pages = shared(&file, inside + run.count)?.without_first(inside);
    refused(run, pages)
}

/// `shmem_get_folio_gfp` finds the same.
fn truncated(run: &mut Run) -> anyhow::Result<()> {
    let file = file::in_memory(run.count)?;
    let pages = shared(&file, run.count)?;
    file.set_len(0)?;
    refused(run, pages)
}

fn refused(run: &mut Run, pages: Pages) -> anyhow::Result<()> {
    let catcher = Catcher::new(Signal::SIGBUS)?;
    let expected = Faults::new(Class::Sigbus, Access::Read, pages);
    run.provoke([expected], || pages.addresses().for_each(try_read))?;
    catcher.ensure(pages.count(), BUS_ADRERR, pages.end() - PAGE)
}

/// `handle_pte_marker` finds a poison marker: VM_FAULT_HWPOISON, as for memory that failed, but
/// without giving up a page of the machine. `do_sigbus` only tells the two apart with
/// CONFIG_MEMORY_FAILURE.
fn poisoned(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let userfault = Userfault::new(uffd::FEATURE_POISON)?;
    userfault.register(pages, uffd::MISSING)?;
    userfault.poison(pages)?;
    let catcher = Catcher::new(Signal::SIGBUS)?;
    let expected = Faults::new(Class::Hwpoison, Access::Read, pages);
    run.provoke([expected], || pages.addresses().for_each(try_read))?;
    require(
        catcher.code() != BUS_ADRERR,
        "this kernel has no CONFIG_MEMORY_FAILURE",
    )?;
    catcher.ensure(pages.count(), BUS_MCEERR_AR, pages.end() - PAGE)
}
