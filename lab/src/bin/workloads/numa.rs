//! Pages that NUMA balancing looks after.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use fault_trace_common::{class::Class, error_code::Access};
use nix::unistd::Pid;

use crate::{
    expect::Faults,
    memory::Pages,
    process::pin,
    restore::{Restore, watch_signals},
    scenario::{Run, Scenario, require, skip},
    warm,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "numa-hint",
        class: Some(Class::NumaHint),
        about: "reads pages that NUMA balancing has marked",
        needs: "root, CONFIG_NUMA_BALANCING, not in use",
        count: 512,
        run: stay,
    },
    Scenario {
        name: "numa-hint-migrated",
        class: Some(Class::NumaHint),
        about: "reads marked pages from another node, which moves them there",
        needs: "root, CONFIG_NUMA_BALANCING, not in use, two nodes",
        count: 512,
        run: follow,
    },
];

/// How long NUMA balancing may take to come by.
const PATIENCE: Duration = Duration::from_secs(30);
const BALANCING: &str = "/proc/sys/kernel/numa_balancing";

/// `task_numa_work` makes pages inaccessible (`change_prot_numa`), and `do_numa_page` mends the entry
/// on the next touch. On x86 such an entry is not present to the CPU, so the error code says "not
/// present". Marking goes on in the background until it is switched off: how many pages are marked is
/// only known from the faults, and each page faults once at most.
fn stay(run: &mut Run) -> anyhow::Result<()> {
    require_unused()?;
    let pages = fresh(run)?;
    read_marked(run, pages)
}

/// On another node's CPU the same faults move the pages there (`numa_migrate_check`), as long as they
/// are the first on them.
fn follow(run: &mut Run) -> anyhow::Result<()> {
    require_unused()?;
    let [near, far] = two_nodes()?;
    pin(Pid::from_raw(0), near)?;
    let pages = fresh(run)?;
    pin(Pid::from_raw(0), far)?;
    let before = counter("numa_pages_migrated")?;
    read_marked(run, pages)?;
    require(
        counter("numa_pages_migrated")? > before,
        "NUMA balancing moves no pages here",
    )
}

fn require_unused() -> anyhow::Result<()> {
    let Ok(setting) = fs::read_to_string(BALANCING) else {
        return skip("this kernel has no NUMA balancing");
    };
    require(setting.trim() == "0", "NUMA balancing is in use")
}

/// A CPU on each of two nodes.
fn two_nodes() -> anyhow::Result<[usize; 2]> {
    let mut first = Vec::new();
    for node in fs::read_dir("/sys/devices/system/node").context("nodes")? {
        let Ok(list) = fs::read_to_string(node?.path().join("cpulist")) else {
            continue;
        };
        let number = list.trim().split([',', '-']).next().unwrap_or_default();
        // A node may have no CPU.
        first.extend(number.parse::<usize>().ok());
    }
    match first[..] {
        [near, far, ..] => Ok([near, far]),
        _ => skip("this machine has one NUMA node only"),
    }
}

fn fresh(run: &mut Run) -> anyhow::Result<Pages> {
    let pages = Pages::anonymous(run.count)?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages);
    run.provoke([alloc], || pages.write_each())?;
    Ok(pages)
}

fn read_marked(run: &mut Run, pages: Pages) -> anyhow::Result<()> {
    watch_signals()?;
    // The pages of a process with one thread on its own node are passed over (`change_pte_range`).
    let _company = Company::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        {
            let _balancing = Restore::setting(BALANCING, "1")?;
            work_until_marked(run.count, deadline)?;
        }
        // The program's own pages are marked as well, and all the marked ones may have been others.
        warm::read_again();
        let counted = run.meter.measure(|| pages.read_each())?;
        if counted.completed() > 0 {
            // A page that is not moved leaves nothing to see.
            let expected = [Faults::new(Class::NumaHint, Access::Read, pages)
                .count(usize::try_from(counted.completed())?)
                .or(Class::AnonZero)
                .step(1)];
            run.meter.compare(&expected, counted)?;
            run.expect(expected);
            return Ok(());
        }
    }
}

/// The work is done by the ticks of a running thread.
fn work_until_marked(count: usize, deadline: Instant) -> anyhow::Result<()> {
    const MARKED: &str = "numa_pte_updates";
    let before = counter(MARKED)?;
    while counter(MARKED)? < before + count as u64 {
        require(
            Instant::now() < deadline,
            "NUMA balancing marks no pages here",
        )?;
    }
    Ok(())
}

/// A counter of the whole machine.
fn counter(name: &str) -> anyhow::Result<u64> {
    let statistics = fs::read_to_string("/proc/vmstat")?;
    let value = statistics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .with_context(|| format!("/proc/vmstat has no {name}"))?;
    Ok(value.trim().parse()?)
}

/// A second thread that does nothing.
struct Company(Arc<AtomicBool>);

impl Company {
    fn new() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&done);
        thread::spawn(move || {
            while !watched.load(SeqCst) {
                thread::sleep(Duration::from_millis(100));
            }
        });
        Self(done)
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
