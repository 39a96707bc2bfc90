//! Faults in a signal handler, between faults of what it interrupts.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use anyhow::Context as _;
use fault_trace_common::{class::Class, error_code::Access};
use nix::{
    errno::Errno,
    sys::signal::{SaFlags, Signal},
};

use crate::{
    catch::install,
    expect::Faults,
    memory::{PAGE, Pages, read, write},
    scenario::{Run, Scenario},
};

pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "handler-faults",
    class: Some(Class::AnonAlloc),
    about: "a timer's handler writes to fresh pages while the thread does",
    needs: "nothing",
    count: 64,
    run: timer,
}];

/// How often the timer fires, µs.
const PERIOD_US: libc::suseconds_t = 500;

/// The next page for the handler, and where its pages end.
static NEXT: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

extern "C" fn touch_next(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let next = NEXT.load(SeqCst);
    if next < END.load(SeqCst) {
        write(next);
        NEXT.store(next + PAGE, SeqCst);
    }
}

fn set_timer(period_us: libc::suseconds_t) -> anyhow::Result<()> {
    let period = libc::timeval {
        tv_sec: 0,
        tv_usec: period_us,
    };
    let timer = libc::itimerval {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: a valid timer, and nowhere to put the old one.
    let result =
        unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    Errno::result(result).context("setitimer")?;
    Ok(())
}

/// The thread reads fresh pages and the handler writes to others, so that either's faults can be told
/// apart; the thread takes as many pages as it gets to until the handler has had all of its own.
fn timer(run: &mut Run) -> anyhow::Result<()> {
    let own = Pages::anonymous(run.count * 4096)?;
    let handlers = Pages::anonymous(run.count)?;
    NEXT.store(handlers.start, SeqCst);
    END.store(handlers.end(), SeqCst);
    install(Signal::SIGALRM, touch_next, SaFlags::SA_RESTART)?;
    // Whatever the first use faults in is in memory from now on.
    set_timer(0)?;
    let mut taken = 0;
    let mut armed = Ok(());
    let counted = run.meter.measure(|| {
        // Within what is counted: the first handler may run at once.
        armed = set_timer(PERIOD_US);
        while armed.is_ok() && NEXT.load(SeqCst) < END.load(SeqCst) {
            // Once its pages are used up, reading them again is no fault.
            read(own.address(taken % own.count()));
            taken += 1;
        }
    })?;
    armed?;
    set_timer(0)?;
    // All of the range: a huge page would have room in it, however few were taken.
    let expected = [
        Faults::new(Class::AnonZero, Access::Read, own).count(taken.min(own.count())),
        Faults::new(Class::AnonAlloc, Access::Write, handlers),
    ];
    run.meter.compare(&expected, counted)?;
    run.expect(expected);
    Ok(())
}
