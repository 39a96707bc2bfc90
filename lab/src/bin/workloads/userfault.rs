//! Faults that wait for the owner of a userfaultfd.

use std::{fs::File, io::Read as _, thread};

use anyhow::anyhow;
use fault_trace_common::{class::Class, error_code::Access};
use nix::{sys::mman::MapFlags, unistd::Pid};

use crate::{
    expect::{Faults, current_tid},
    file,
    memory::{PAGE, Pages, READ_WRITE},
    process::{pin, two_cpus},
    scenario::{Run, Scenario},
    sleep,
    uffd::{self, Userfault},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "uffd-missing",
        class: Some(Class::Uffd),
        about: "writes to missing pages that a userfaultfd copies in",
        needs: "root or vm.unprivileged_userfaultfd",
        count: 64,
        run: |run| missing(run, |_| Ok(())),
    },
    Scenario {
        name: "uffd-minor",
        class: Some(Class::Uffd),
        about: "reads pages of a memfd that a userfaultfd maps",
        needs: "root or vm.unprivileged_userfaultfd, Linux 5.14",
        count: 64,
        run: minor,
    },
    Scenario {
        name: "uffd-write-protect",
        class: Some(Class::Uffd),
        about: "writes to pages that a userfaultfd protects",
        needs: "root or vm.unprivileged_userfaultfd, Linux 5.7",
        count: 64,
        run: write_protect,
    },
    Scenario {
        name: "uffd-kernel",
        class: Some(Class::Uffd),
        about: "read(2) into missing pages that a userfaultfd copies in",
        needs: "root",
        count: 64,
        run: kernel,
    },
    Scenario {
        name: "migrate",
        class: Some(Class::Uffd),
        about: "uffd-missing, but each fault wakes on another CPU than it slept on",
        needs: "root or vm.unprivileged_userfaultfd, two CPUs",
        count: 64,
        run: migrate,
    },
];

/// Provokes the faults while another thread resolves each, once the fault really sleeps:
/// `handle_userfault` sets the state before it leaves the CPU, and would not sleep at all if it were
/// woken in between. What is retried after that ends as minor or major, by kernel version.
pub(crate) fn provoke(
    run: &mut Run,
    userfault: Userfault,
    expected: impl Into<Vec<Faults>>,
    mut resolve: impl FnMut(&Userfault, usize) -> anyhow::Result<()> + Send + 'static,
    work: impl FnOnce(),
) -> anyhow::Result<()> {
    let expected: Vec<Faults> = expected
        .into()
        .into_iter()
        .map(Faults::minor_or_major)
        .collect();
    let count: usize = expected.iter().map(|faults| faults.count).sum();
    let tid = current_tid();
    let mut serve = move || {
        (0..count).try_for_each(|_| {
            let address = userfault.wait()?;
            sleep::until_asleep(tid, sleep::INTERRUPTIBLE)?;
            resolve(&userfault, address)
        })
    };
    let resolver = thread::spawn(move || {
        if let Err(error) = serve() {
            eprintln!("workloads: userfaultfd: {error:#}");
            // The other thread sleeps for ever.
            std::process::exit(1);
        }
    });
    run.provoke(expected, work)?;
    resolver
        .join()
        .map_err(|_| anyhow!("the resolving thread panicked"))
}

/// Fresh pages that are registered, and a page to copy from.
pub(crate) fn registered(count: usize) -> anyhow::Result<(Userfault, Pages, usize)> {
    let source = Pages::anonymous(1)?;
    source.write_each();
    let pages = Pages::anonymous(count)?;
    let userfault = Userfault::new(0)?;
    userfault.register(pages, uffd::MISSING)?;
    Ok((userfault, pages, source.start))
}

/// `do_anonymous_page` finds a registered mapping and calls `handle_userfault`; the other thread's
/// UFFDIO_COPY fills the entry, and the retry finds nothing left to do.
fn missing(
    run: &mut Run,
    mut asleep: impl FnMut(usize) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    let (userfault, pages, source) = registered(run.count)?;
    let expected = Faults::new(Class::Uffd, Access::Write, pages);
    let resolve = move |userfault: &Userfault, address| {
        asleep(address)?;
        userfault.copy(address, source)
    };
    provoke(run, userfault, [expected], resolve, || pages.write_each())
}

/// `shmem_get_folio_gfp` finds the page in the cache, and asks before it maps it.
fn minor(run: &mut Run) -> anyhow::Result<()> {
    let file = file::in_memory(run.count)?;
    let pages = Pages::map_file(run.count, READ_WRITE, MapFlags::MAP_SHARED, file)?;
    let userfault = Userfault::new(uffd::FEATURE_MINOR_SHMEM)?;
    userfault.register(pages, uffd::MINOR)?;
    let expected = Faults::new(Class::Uffd, Access::Read, pages);
    let resolve = |userfault: &Userfault, address| userfault.map_cached(address);
    provoke(run, userfault, [expected], resolve, || pages.read_each())
}

/// `do_wp_page` finds a protected entry (`userfaultfd_pte_wp`) and calls `handle_userfault`.
fn write_protect(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages);
    run.provoke([alloc], || pages.write_each())?;
    let userfault = Userfault::new(uffd::FEATURE_WRITE_PROTECT)?;
    userfault.register(pages, uffd::WRITE_PROTECT)?;
    userfault.write_protect(pages, true)?;
    let expected = Faults::new(Class::Uffd, Access::Write, pages).step(1);
    let resolve =
        |userfault: &Userfault, address| userfault.write_protect(Pages::at(address, 1), false);
    provoke(run, userfault, [expected], resolve, || pages.write_each())
}

/// `clear_user` faults in kernel mode, on behalf of read(2), and sleeps there.
fn kernel(run: &mut Run) -> anyhow::Result<()> {
    let (userfault, pages, source) = registered(run.count)?;
    let zeros = File::open("/dev/zero")?;
    let expected = Faults::new(Class::Uffd, Access::Write, pages).kernel_mode();
    let resolve = move |userfault: &Userfault, address| userfault.copy(address, source);
    let mut read = Ok(());
    provoke(run, userfault, [expected], resolve, || {
        // SAFETY: nothing refers to the memory but this.
        let buffer = unsafe { pages.as_bytes() };
        read = (&zeros).read_exact(buffer);
    })?;
    Ok(read?)
}

/// While the thread sleeps, its affinity is moved to another CPU: what a tracer keeps per CPU is
/// lost, and what it keeps per thread is not.
fn migrate(run: &mut Run) -> anyhow::Result<()> {
    let cpus = two_cpus()?;
    let sleeper = Pid::from_raw(current_tid().cast_signed());
    pin(sleeper, cpus[0])?;
    missing(run, move |address| {
        pin(sleeper, cpus[(address / PAGE + 1) % cpus.len()])
    })
}
