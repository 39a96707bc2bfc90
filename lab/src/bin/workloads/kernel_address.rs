//! Probes of kernel and user addresses by a BPF program, with page faults disabled.

use fault_trace_common::{class::Class, error_code::Access};

use crate::{
    bpf::{PROBE_READ_KERNEL, PROBE_READ_USER, Program, kernel_stack},
    expect::Faults,
    memory::{PAGE, Pages},
    scenario::{Run, Scenario, require, skip},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "vmalloc",
        class: Some(Class::Vmalloc),
        about: "the kernel probes the guard page of a kernel stack",
        needs: "root, CONFIG_VMAP_STACK",
        count: 64,
        run: vmalloc,
    },
    Scenario {
        name: "nofault-probe-kernel",
        class: Some(Class::NofaultProbe),
        about: "the kernel probes a kernel address that nothing is mapped at",
        needs: "root",
        count: 64,
        run: kernel_hole,
    },
    Scenario {
        name: "nofault-probe-user",
        class: Some(Class::NofaultProbe),
        about: "the kernel probes fresh user pages",
        needs: "root",
        count: 64,
        run: fresh_user_page,
    },
];

/// `THREAD_SIZE` of x86-64 without KASAN.
const KERNEL_STACK: usize = 16 << 10;
/// The last page but one of the address space.
const HOLE: usize = 0xffff_ffff_ffff_e000;

fn program(helper: i32, address: usize) -> anyhow::Result<Program> {
    match Program::probing(helper, address) {
        Ok(program) => Ok(program),
        Err(error) => skip(format!("bpf(2): {error:#}")),
    }
}

/// Runs the program `count` times; each run must fail.
fn probe(run: &mut Run, class: Class, address: usize) -> anyhow::Result<()> {
    let program = program(PROBE_READ_KERNEL, address)?;
    let count = run.count;
    let page = Pages::at(address & !(PAGE - 1), 1);
    let expected = Faults::new(class, Access::Read, page)
        .kernel_mode()
        .count(count);
    let mut failed = 0;
    run.provoke([expected], || {
        failed = (0..count).filter(|_| program.run() != Ok(0)).count();
    })?;
    anyhow::ensure!(failed == count, "something is at {address:#x}");
    Ok(())
}

/// `copy_from_kernel_nofault` in `bpf_probe_read_kernel`; the page after a kernel stack in the vmalloc
/// range is always free.
fn vmalloc(run: &mut Run) -> anyhow::Result<()> {
    let stack = match kernel_stack() {
        Ok(stack) => stack,
        Err(error) => return skip(format!("bpf(2): {error:#}")),
    };
    probe(run, Class::Vmalloc, stack.next_multiple_of(KERNEL_STACK))
}

/// The same where nothing is ever mapped: error pointers point there.
fn kernel_hole(run: &mut Run) -> anyhow::Result<()> {
    probe(run, Class::NofaultProbe, HOLE)
}

/// `copy_from_user_nofault`; a copy may try again byte by byte, so the tracepoints count.
fn fresh_user_page(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let programs: Vec<_> = pages
        .addresses()
        .map(|address| program(PROBE_READ_USER, address))
        .collect::<Result<_, _>>()?;
    let mut failed = 0;
    let counted = run.meter.measure(|| {
        failed = programs
            .iter()
            .filter(|program| program.run() != Ok(0))
            .count();
    })?;
    require(failed == run.count, "the probes brought the pages in")?;
    let Some(probes) = counted.refused() else {
        return skip("counting the faults needs CAP_PERFMON");
    };
    let expected = [Faults::new(Class::NofaultProbe, Access::Read, pages)
        .kernel_mode()
        .count(usize::try_from(probes)?)];
    run.meter.compare(&expected, counted)?;
    run.expect(expected);
    Ok(())
}
