//! Faults that a signal cuts short.

use std::sync::atomic::Ordering::SeqCst;

use anyhow::bail;
use fault_trace_common::{class::Class, error_code::Access};
use nix::{
    errno::Errno,
    sys::{
        signal::{SaFlags, Signal, kill},
        wait::WaitStatus,
    },
};

use crate::{
    catch::install,
    expect::{Faults, current_tid},
    process::{Child, shared_word},
    scenario::{Run, Scenario},
    sleep,
    uffd::Userfault,
    userfault::{provoke, registered},
};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "interrupted",
        class: Some(Class::Interrupted),
        about: "a signal interrupts a fault on a userfaultfd; the next attempt is resolved",
        needs: "root or vm.unprivileged_userfaultfd",
        count: 64,
        run: interrupted,
    },
    Scenario {
        name: "interrupted-killed",
        class: Some(Class::Interrupted),
        about: "a process is killed while its fault waits for a userfaultfd",
        needs: "root or vm.unprivileged_userfaultfd",
        count: 1,
        run: killed,
    },
];

extern "C" fn do_nothing(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

/// A signal ends the sleep in `handle_userfault` with VM_FAULT_RETRY; `fault_signal_pending` sends the
/// thread back to user mode, where the handler runs and the access is tried again: another fault.
fn interrupted(run: &mut Run) -> anyhow::Result<()> {
    install(Signal::SIGUSR1, do_nothing, SaFlags::empty())?;
    let (userfault, pages, source) = registered(run.count)?;
    let expected = [
        Faults::new(Class::Interrupted, Access::Write, pages),
        Faults::new(Class::Uffd, Access::Write, pages).step(1),
    ];
    let (pid, tid) = (std::process::id(), current_tid());
    let mut first = true;
    let resolve = move |userfault: &Userfault, address| {
        first = !first;
        if !first {
            // SAFETY: a signal to a thread of our own, which has a handler for it.
            let result = unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, libc::SIGUSR1) };
            Errno::result(result)?;
            return Ok(());
        }
        userfault.copy(address, source)
    };
    provoke(run, userfault, expected, resolve, || pages.write_each())
}

/// SIGKILL ends the sleep as well, and nothing is tried again.
fn killed(run: &mut Run) -> anyhow::Result<()> {
    for index in 0..run.count {
        let (userfault, pages, _) = registered(1)?;
        drop(userfault);
        let ready = shared_word()?;
        let child = Child::start(|| {
            // The parent's userfaultfd does not follow into the child.
            let userfault = Userfault::new(0)?;
            userfault.register(pages, crate::uffd::MISSING)?;
            ready.store(1, SeqCst);
            pages.write_each();
            bail!("the fault was resolved by nobody")
        })?;
        while ready.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        sleep::until_asleep(child.id(), sleep::INTERRUPTIBLE)?;
        kill(child.pid(), Signal::SIGKILL)?;
        let expected = Faults::new(Class::Interrupted, Access::Write, pages).process(child.id());
        match child.wait()? {
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => run.expect([expected]),
            status => bail!("child {index} was not killed: {status:?}"),
        }
    }
    Ok(())
}
