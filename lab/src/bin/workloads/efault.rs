//! Faults in kernel mode on user addresses that are not completed: the exception table mends them.

use fault_trace_common::{class::Class, error_code::Access};
use nix::{
    errno::Errno,
    sys::mman::{MapFlags, ProtFlags},
};

use crate::{
    expect::Faults,
    file,
    kernel_mode::write_page,
    memory::Pages,
    scenario::{Run, Scenario, skip},
    segv::unmapped,
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "kernel-efault",
        class: Some(Class::KernelEfault),
        about: "getcpu(2) into unmapped pages",
        needs: "nothing",
        count: 64,
        run: one_word,
    },
    Scenario {
        name: "kernel-efault-copy",
        class: Some(Class::KernelEfault),
        about: "write(2) to a pipe from unmapped pages",
        needs: "CAP_PERFMON, to count the faults a copy takes",
        count: 64,
        run: a_page,
    },
    Scenario {
        name: "nofault-probe",
        class: Some(Class::NofaultProbe),
        about: "futex(2) on fresh pages: looked at without faulting, then with",
        needs: "nothing",
        count: 64,
        run: futex,
    },
    Scenario {
        name: "nofault-probe-write",
        class: Some(Class::NofaultProbe),
        about: "write(2) to a file from fresh pages, copied without faulting first",
        needs: "root, --dir on a disk, Linux 6.15",
        count: 64,
        run: write_to_file,
    },
];

/// A raw system call with a user address that the kernel checks.
fn call(number: libc::c_long, address: usize) -> nix::Result<()> {
    // SAFETY: the kernel checks the address, and the other arguments are no pointers.
    Errno::result(unsafe { libc::syscall(number, address, 0, 0) }).map(drop)
}

/// `put_user` is one instruction: one fault, and EFAULT.
fn one_word(run: &mut Run) -> anyhow::Result<()> {
    let pages = unmapped(run.count)?;
    let expected = Faults::new(Class::KernelEfault, Access::Write, pages).kernel_mode();
    let mut refused = 0;
    run.provoke([expected], || {
        refused = pages
            .addresses()
            .filter(|&address| call(libc::SYS_getcpu, address) == Err(Errno::EFAULT))
            .count();
    })?;
    anyhow::ensure!(refused == run.count, "getcpu(2) took an unmapped address");
    Ok(())
}

/// `copy_from_user` may try again byte by byte before it gives up (`rep_movs_alternative`); how often
/// a call faults depends on the CPU, and the software event `page-faults` counts it. Each page has a
/// pipe of its own: before Linux 6.14 a refused write still takes one of its slots.
fn a_page(run: &mut Run) -> anyhow::Result<()> {
    let pages = unmapped(run.count)?;
    let pipes = (0..run.count).map(|_| std::io::pipe());
    let pipes: Vec<_> = pipes.collect::<Result<_, _>>()?;
    let mut refused = 0;
    let counted = run.meter.measure(|| {
        refused = pages
            .addresses()
            .zip(&pipes)
            .filter(|(address, (_, writer))| write_page(writer, *address).is_err())
            .count();
    })?;
    anyhow::ensure!(
        refused == run.count,
        "a write from unmapped pages succeeded"
    );
    let Some(confirmed) = counted.confirmed else {
        return skip("counting the faults needs CAP_PERFMON");
    };
    let expected = [Faults::new(Class::KernelEfault, Access::Read, pages)
        .kernel_mode()
        .count(usize::try_from(confirmed)?)];
    run.meter.compare(&expected, counted)?;
    run.expect(expected);
    Ok(())
}

/// `futex_wait_setup` reads the word with page faults disabled (`futex_get_value_locked`), which
/// fails; then with `get_user`, which completes the fault; then it tries again, and finds that the
/// word is not what the caller expects.
fn futex(run: &mut Run) -> anyhow::Result<()> {
    const UNEXPECTED: u32 = 1;
    let pages = Pages::anonymous(run.count)?;
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    let probe = Faults::new(Class::NofaultProbe, Access::Read, pages).kernel_mode();
    let demand = Faults::new(Class::AnonZero, Access::Read, pages)
        .kernel_mode()
        .step(1);
    run.provoke([probe, demand], || {
        for address in pages.addresses() {
            let no_timeout = std::ptr::null::<libc::timespec>();
            // SAFETY: the kernel checks the address; the value differs, so it does not wait.
            unsafe {
                libc::syscall(libc::SYS_futex, address, operation, UNEXPECTED, no_timeout);
            }
        }
    })
}

/// `generic_perform_write` copies with page faults disabled, as it holds the folio's lock, and only
/// faults the source in (`fault_in_iov_iter_readable`) when that fails; older kernels did it first.
/// A copy may try again byte by byte, so the tracepoints count.
fn write_to_file(run: &mut Run) -> anyhow::Result<()> {
    let target = file::on_disk(&run.dir, 1)?;
    let pages = Pages::map_anonymous(run.count, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE)?;
    let mut written = Ok(());
    let counted = run.meter.measure(|| {
        written = pages
            .addresses()
            .try_for_each(|address| write_page(&target, address));
    })?;
    written?;
    let probes = match counted.refused() {
        Some(0) => return skip("this kernel faults the source in first"),
        Some(probes) => usize::try_from(probes)?,
        None => return skip("counting the faults needs CAP_PERFMON"),
    };
    let expected = [
        Faults::new(Class::NofaultProbe, Access::Read, pages)
            .kernel_mode()
            .count(probes),
        Faults::new(Class::AnonZero, Access::Read, pages)
            .kernel_mode()
            .step(1),
    ];
    run.meter.compare(&expected, counted)?;
    run.expect(expected);
    Ok(())
}
