//! Accesses that end in SIGSEGV.

use std::fs;

use anyhow::ensure;
use fault_trace_common::{class::Class, error_code::Access, region::VSYSCALL};
use nix::{
    errno::Errno,
    sys::{
        mman::{MapFlags, ProtFlags},
        signal::Signal,
    },
};

use crate::{
    catch::{Catcher, try_execute, try_read, try_write},
    expect::Faults,
    memory::{PAGE, Pages},
    scenario::{Run, Scenario, require, skip},
};

const NEEDS_NOTHING: &str = "nothing";

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "segv-unmapped",
        class: Some(Class::SegvUnmapped),
        about: "reads where nothing is mapped",
        needs: NEEDS_NOTHING,
        count: 64,
        run: nothing_mapped,
    },
    Scenario {
        name: "segv-access",
        class: Some(Class::SegvAccess),
        about: "writes to read-only pages that are not present, then to present ones",
        needs: NEEDS_NOTHING,
        count: 64,
        run: read_only,
    },
    Scenario {
        name: "segv-access-exec",
        class: Some(Class::SegvAccess),
        about: "jumps to fresh pages that are not executable: two faults each",
        needs: NEEDS_NOTHING,
        count: 64,
        run: not_executable,
    },
    Scenario {
        name: "segv-guard",
        class: Some(Class::SegvGuard),
        about: "reads PROT_NONE pages",
        needs: NEEDS_NOTHING,
        count: 64,
        run: no_access,
    },
    Scenario {
        name: "segv-guard-install",
        class: Some(Class::SegvGuard),
        about: "reads pages under MADV_GUARD_INSTALL",
        needs: "Linux 6.13",
        count: 64,
        run: guard_installed,
    },
    Scenario {
        name: "segv-pkey",
        class: Some(Class::SegvPkey),
        about: "reads pages that a protection key forbids",
        needs: "a CPU with protection keys",
        count: 64,
        run: protection_key,
    },
    Scenario {
        name: "segv-kernel-address",
        class: Some(Class::SegvKernelAddress),
        about: "reads kernel addresses from user mode",
        needs: NEEDS_NOTHING,
        count: 64,
        run: kernel_address,
    },
    Scenario {
        name: "segv-vsyscall-read",
        class: Some(Class::SegvKernelAddress),
        about: "reads the vsyscall page, which can only be called",
        needs: "vsyscall=xonly",
        count: 64,
        run: vsyscall_read,
    },
];

pub(crate) const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const SEGV_PKUERR: i32 = 4;
/// Between the heap and the stack of every ordinary process.
const NOWHERE: usize = 0x2bad_0000_0000;
/// The direct map without KASLR: a kernel address in any case.
const KERNEL: usize = 0xffff_8880_0000_0000;

/// Pages where nothing is mapped.
pub(crate) fn unmapped(count: usize) -> anyhow::Result<Pages> {
    let pages = Pages::at(NOWHERE, count);
    ensure!(pages.residency().is_err(), "something is at {NOWHERE:#x}");
    Ok(pages)
}

/// Does the access to each page, and checks the signals.
fn refused(
    run: &mut Run,
    class: Class,
    pages: Pages,
    (access, touch): (Access, fn(usize)),
    code: i32,
    step: u32,
) -> anyhow::Result<Catcher> {
    let catcher = Catcher::new(Signal::SIGSEGV)?;
    let faults = Faults::new(class, access, pages).step(step);
    let expected = match class {
        // The signal says the same as for an unmapped page.
        Class::SegvGuard if code == SEGV_MAPERR => faults.or(Class::SegvUnmapped),
        _ => faults,
    };
    run.provoke([expected], || pages.addresses().for_each(touch))?;
    catcher.ensure(pages.count(), code, pages.end() - PAGE)?;
    Ok(catcher)
}

const READ: (Access, fn(usize)) = (Access::Read, try_read);
const WRITE: (Access, fn(usize)) = (Access::Write, try_write);

/// `lock_mm_and_find_vma` finds nothing: `bad_area_nosemaphore`, SEGV_MAPERR.
fn nothing_mapped(run: &mut Run) -> anyhow::Result<()> {
    let pages = unmapped(run.count)?;
    refused(run, Class::SegvUnmapped, pages, READ, SEGV_MAPERR, 0).map(drop)
}

/// `access_error` refuses a write to a mapping that is not writable, whether a page is there or not.
fn read_only(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::map_anonymous(run.count, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE)?;
    let catcher = refused(run, Class::SegvAccess, pages, WRITE, SEGV_ACCERR, 0)?;
    let read = Faults::new(Class::AnonZero, Access::Read, pages).step(1);
    run.provoke([read], || pages.read_each())?;
    catcher.forget();
    refused(run, Class::SegvAccess, pages, WRITE, SEGV_ACCERR, 2).map(drop)
}

/// `access_error` lets a fetch from a page that is not present pass: the zero page is mapped, without
/// the right to execute, and the retried fetch is a protection fault.
fn not_executable(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::anonymous(run.count)?;
    let catcher = Catcher::new(Signal::SIGSEGV)?;
    let demand = Faults::new(Class::AnonZero, Access::Exec, pages);
    let refused = Faults::new(Class::SegvAccess, Access::Exec, pages).step(1);
    run.provoke([demand, refused], || {
        pages.addresses().for_each(try_execute);
    })?;
    catcher.ensure(pages.count(), SEGV_ACCERR, pages.end() - PAGE)
}

/// `access_error` refuses everything on a mapping without any right (`vma_is_accessible`).
fn no_access(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::map_anonymous(run.count, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)?;
    refused(run, Class::SegvGuard, pages, READ, SEGV_ACCERR, 0).map(drop)
}

/// The mapping allows the access, but `handle_pte_marker` finds a guard marker: VM_FAULT_SIGSEGV,
/// which the handler reports as SEGV_MAPERR.
fn guard_installed(run: &mut Run) -> anyhow::Result<()> {
    const MADV_GUARD_INSTALL: libc::c_int = 102;
    let pages = Pages::anonymous(run.count)?;
    require(
        pages.advise_number(MADV_GUARD_INSTALL).is_ok(),
        "this kernel has no MADV_GUARD_INSTALL",
    )?;
    refused(run, Class::SegvGuard, pages, READ, SEGV_MAPERR, 0).map(drop)
}

/// `arch_vma_access_permitted` refuses what PKRU forbids: SEGV_PKUERR.
fn protection_key(run: &mut Run) -> anyhow::Result<()> {
    const PKEY_DISABLE_ACCESS: libc::c_int = 1;
    let pages = Pages::anonymous(run.count)?;
    pages.write_each();
    // SAFETY: allocates a key and sets this thread's rights.
    let key = unsafe { libc::syscall(libc::SYS_pkey_alloc, 0, PKEY_DISABLE_ACCESS) };
    let Ok(key) = Errno::result(key) else {
        return skip("this CPU or kernel has no protection keys");
    };
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: nothing refers to the memory.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_pkey_mprotect,
            pages.start,
            pages.bytes(),
            rights,
            key,
        )
    })?;
    let alloc = Faults::new(Class::AnonAlloc, Access::Write, pages);
    refused(run, Class::SegvPkey, pages, READ, SEGV_PKUERR, 1)?;
    run.expect([alloc]);
    Ok(())
}

/// `do_kern_addr_fault`: user mode has no business there, and no mapping is looked for.
fn kernel_address(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::at(KERNEL, run.count);
    refused(run, Class::SegvKernelAddress, pages, READ, SEGV_MAPERR, 0).map(drop)
}

/// `emulate_vsyscall` refuses a read of the page; the address is counted as a user one
/// (`fault_in_kernel_space`).
fn vsyscall_read(run: &mut Run) -> anyhow::Result<()> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let executable_only = maps
        .lines()
        .any(|line| line.ends_with("[vsyscall]") && line.contains(" --xp "));
    require(executable_only, "the vsyscall page is absent or readable")?;
    let page = Pages::at(usize::try_from(VSYSCALL.start)?, 1);
    let catcher = Catcher::new(Signal::SIGSEGV)?;
    let count = run.count;
    let expected = Faults::new(Class::SegvKernelAddress, Access::Read, page).count(count);
    run.provoke([expected], || {
        (0..count).for_each(|_| try_read(page.start));
    })?;
    catcher.ensure(count, SEGV_MAPERR, page.start)
}
