//! Handlers of SIGSEGV that do more than skip the access.

use fault_trace_common::{class::Class, error_code::Access};
use nix::sys::{
    mman::{MapFlags, ProtFlags},
    signal::{SaFlags, Signal},
};

use crate::{
    catch::{Catcher, install, jump_out, read_or_jump},
    expect::Faults,
    memory::{PAGE, Pages, READ_WRITE, write},
    scenario::{Run, Scenario},
    segv::{SEGV_MAPERR, unmapped},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "segv-longjmp",
        class: Some(Class::SegvUnmapped),
        about: "reads one unmapped page again and again; the handler jumps out",
        needs: "nothing",
        count: 64,
        run: jumping_out,
    },
    Scenario {
        name: "segv-fix",
        class: Some(Class::SegvAccess),
        about: "writes to read-only pages; the handler makes them writable",
        needs: "nothing",
        count: 64,
        run: fixed_by_handler,
    },
];

/// What matters is that no rt_sigreturn follows the signal.
fn jumping_out(run: &mut Run) -> anyhow::Result<()> {
    let page = unmapped(1)?;
    let catcher = Catcher::new(Signal::SIGSEGV)?;
    install(Signal::SIGSEGV, jump_out, SaFlags::SA_NODEFER)?;
    let count = run.count;
    let expected = Faults::new(Class::SegvUnmapped, Access::Read, page).count(count);
    run.provoke([expected], || {
        (0..count).for_each(|_| read_or_jump(page.start));
    })?;
    catcher.ensure(count, SEGV_MAPERR, page.start)
}

/// As garbage collectors do: the refused write is retried after the handler has returned, and faults
/// once more, on a page that is now writable and still not present.
fn fixed_by_handler(run: &mut Run) -> anyhow::Result<()> {
    let pages = Pages::map_anonymous(run.count, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE)?;
    install(Signal::SIGSEGV, make_writable, SaFlags::empty())?;
    let refused = Faults::new(Class::SegvAccess, Access::Write, pages);
    let demand = Faults::new(Class::AnonAlloc, Access::Write, pages).step(1);
    run.provoke([refused, demand], || pages.addresses().for_each(write))
}

extern "C" fn make_writable(
    _signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a valid siginfo_t, and faults set the address.
    let address = unsafe { (*info).si_addr() }.addr() & !(PAGE - 1);
    if Pages::at(address, 1).protect(READ_WRITE).is_err() {
        std::process::abort();
    }
}
