//! Signals that ask for the end of a run: all that would end the process otherwise, but for those that
//! tell of a mistake in it (SIGSEGV, SIGABRT and the like).
//!
//! They are heard from before there is anything that could be left half done. What one does depends on
//! the [`Stage`] that the run is in. A signal that is ignored at the start, as SIGHUP under `nohup`, stays
//! ignored; but SIGINT and SIGQUIT are heard all the same, for shells ignore them in whatever a script starts
//! in the background, and `kill -INT` is how a script ends a run. A launched command goes on ignoring them.

use std::{
    io, mem, ptr,
    sync::{
        OnceLock,
        atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use nix::{errno::Errno, sys::signal::Signal};

use super::kernel;

/// The signals by which people and programs end others. A launched command is sent the same one.
const USUAL: [Signal; 4] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
];

/// Signals that are meant for this process alone: its own limit on CPU time, its own timers. They are taken
/// for SIGTERM. The real-time signals belong here, too.
const UNUSUAL: [Signal; 9] = [
    Signal::SIGALRM,
    Signal::SIGIO,
    Signal::SIGPROF,
    Signal::SIGPWR,
    Signal::SIGSTKFLT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGVTALRM,
    Signal::SIGXCPU,
];

/// A signal that is listened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Number of the signal; the real-time signals have no name.
    pub number: libc::c_int,
    /// The usual signal that it is taken for.
    pub meaning: Signal,
}

/// Returns every signal that asks for an end.
pub fn ending() -> impl Iterator<Item = Heard> {
    let usual = USUAL.map(|signal| (signal as libc::c_int, signal));
    let unusual = UNUSUAL.map(|signal| (signal as libc::c_int, Signal::SIGTERM));
    let real_time = (libc::SIGRTMIN()..=libc::SIGRTMAX()).map(|number| (number, Signal::SIGTERM));
    usual
        .into_iter()
        .chain(unusual)
        .chain(real_time)
        .map(|(number, meaning)| Heard { number, meaning })
}

/// A stretch of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Stage {
    /// Before the first fault. The first signal is remembered, a second one ends the process.
    Preparing,
    /// Whoever follows the run hears every signal.
    Tracing,
    /// Results are put together and written. The first signal is remembered, a second one ends the
    /// process.
    Finishing,
    /// All is written, or does not matter: the first signal ends the process.
    Over,
}

impl Stage {
    /// How many signals a stage takes without ending the process.
    const fn patience(stage: u8) -> u32 {
        const TRACING: u8 = Stage::Tracing as u8;
        const OVER: u8 = Stage::Over as u8;
        match stage {
            TRACING => u32::MAX,
            OVER => 0,
            _ => 1,
        }
    }
}

static STAGE: AtomicU8 = AtomicU8::new(Stage::Preparing as u8);
/// Signals since the stage began.
static IN_STAGE: AtomicU32 = AtomicU32::new(0);
/// Signals since the start.
static IN_ALL: AtomicU32 = AtomicU32::new(0);
/// A bit for each signal that was ignored at the start and is heard now.
static INHERITED: AtomicU32 = AtomicU32::new(0);
static LAST: AtomicI32 = AtomicI32::new(0);
/// When the first signal of the stage came, ns of CLOCK_MONOTONIC.
static FIRST_NS: AtomicU64 = AtomicU64::new(0);
/// A bit for each signal that came from the kernel the last time.
static FROM_KERNEL: AtomicU32 = AtomicU32::new(0);

/// Starts to listen, once, and returns the signals that are heard.
///
/// # Errors
/// If the kernel does not take a handler.
pub fn listen() -> io::Result<&'static [Heard]> {
    static HEARD: OnceLock<Vec<Heard>> = OnceLock::new();
    if let Some(heard) = HEARD.get() {
        return Ok(heard);
    }
    let mut heard = Vec::new();
    for one in ending() {
        if is_ignored(one.number)? {
            if ![libc::SIGINT, libc::SIGQUIT].contains(&one.number) {
                continue;
            }
            INHERITED.fetch_or(1 << one.number, SeqCst);
        }
        let action = move |info: &libc::siginfo_t| hear(one, info.si_code);
        // SAFETY: `hear` keeps to atomic variables and async-signal-safe functions, and does not panic.
        unsafe { signal_hook_registry::register_sigaction(one.number, action) }?;
        heard.push(one);
    }
    Ok(HEARD.get_or_init(|| heard))
}

/// Returns whether a signal that is heard was ignored at the start, so that a launched program is to ignore
/// it. Async-signal-safe.
#[must_use]
pub fn was_ignored(number: libc::c_int) -> bool {
    (0..32).contains(&number) && INHERITED.load(SeqCst) & 1 << number != 0
}

fn is_ignored(number: libc::c_int) -> Result<bool, Errno> {
    // SAFETY: a zeroed `sigaction` is valid, and this call only fills it in.
    let action = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        Errno::result(libc::sigaction(number, ptr::null(), &raw mut action))?;
        action
    };
    Ok(action.sa_sigaction == libc::SIG_IGN)
}

/// The handler.
fn hear(Heard { number, meaning }: Heard, code: libc::c_int) {
    const SI_KERNEL: libc::c_int = 0x80;
    let is_usual = number == meaning as libc::c_int;
    if is_usual {
        let bit = 1 << number;
        if code == SI_KERNEL {
            FROM_KERNEL.fetch_or(bit, SeqCst);
        } else {
            FROM_KERNEL.fetch_and(!bit, SeqCst);
        }
    }
    LAST.store(number, SeqCst);
    if IN_STAGE.load(SeqCst) == 0 {
        FIRST_NS.store(kernel::monotonic_ns(), SeqCst);
    }
    IN_ALL.fetch_add(1, SeqCst);
    let is_too_much = IN_STAGE.fetch_add(1, SeqCst) >= Stage::patience(STAGE.load(SeqCst));
    // A timer, or the limit on CPU time, that goes off again and again is nobody's impatience.
    if is_too_much && (is_usual || code != SI_KERNEL) {
        // SAFETY: `_exit` is async-signal-safe and does not return.
        unsafe { libc::_exit(128 + number) }
    }
}

/// Enters a stage, and returns the last signal of the one before, if there was any.
pub fn enter(stage: Stage) -> Option<Signal> {
    STAGE.store(stage as u8, SeqCst);
    (IN_STAGE.swap(0, SeqCst) > 0)
        // A real-time signal has no name.
        .then(|| Signal::try_from(LAST.load(SeqCst)).unwrap_or(Signal::SIGTERM))
}

/// Returns whether an end was asked for since the stage began.
#[must_use]
pub fn asked() -> bool {
    IN_STAGE.load(SeqCst) > 0
}

/// Returns when the stage's first signal came, which may be before anybody looked.
#[must_use]
pub fn asked_at() -> Option<Instant> {
    if !asked() {
        return None;
    }
    let ago_ns = kernel::monotonic_ns().saturating_sub(FIRST_NS.load(SeqCst));
    let now = Instant::now();
    Some(now.checked_sub(Duration::from_nanos(ago_ns)).unwrap_or(now))
}

/// Returns how many signals were heard since the start.
#[must_use]
pub fn count() -> u32 {
    IN_ALL.load(SeqCst)
}

/// Returns whether the whole process group got the signal, too, as far as that can be told: the kernel
/// sends one for a key or a closed terminal to the group. SIGINT sent by a process is taken for such a
/// key as well: whoever sends it to one process of a pipeline mostly sends it to all.
#[must_use]
pub fn reached_group(signal: Signal) -> bool {
    signal == Signal::SIGINT || FROM_KERNEL.load(SeqCst) & 1 << signal as libc::c_int != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_that_would_end_the_process_ends_the_run() {
        let numbers: Vec<_> = ending().map(|one| one.number).collect();
        // signal(7): those whose default is to stop, to go on, or nothing.
        let harmless = [
            Signal::SIGCHLD,
            Signal::SIGCONT,
            Signal::SIGTSTP,
            Signal::SIGTTIN,
            Signal::SIGTTOU,
            Signal::SIGURG,
            Signal::SIGWINCH,
        ];
        let not_to_be_handled = [Signal::SIGKILL, Signal::SIGSTOP];
        let mistakes = [
            Signal::SIGABRT,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGSEGV,
            Signal::SIGSYS,
            Signal::SIGTRAP,
        ];
        let ignored = [Signal::SIGPIPE, Signal::SIGXFSZ];
        for signal in Signal::iterator() {
            let is_other = harmless.contains(&signal)
                || not_to_be_handled.contains(&signal)
                || mistakes.contains(&signal)
                || ignored.contains(&signal);
            assert_ne!(numbers.contains(&(signal as i32)), is_other, "{signal}");
        }
        assert!(numbers.contains(&64), "the last real-time signal");
    }

    #[test]
    fn only_while_tracing_any_number_of_signals_is_heard() {
        let patience = |stage| Stage::patience(stage as u8);
        assert_eq!(patience(Stage::Preparing), 1);
        assert_eq!(patience(Stage::Tracing), u32::MAX);
        assert_eq!(patience(Stage::Finishing), 1);
        assert_eq!(patience(Stage::Over), 0);
    }
}
