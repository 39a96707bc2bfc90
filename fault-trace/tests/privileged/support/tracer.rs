//! Running fault-trace.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    process::{Child, Command, Output, Stdio},
};

use nix::{
    sys::signal::{SigHandler, Signal, kill, signal},
    unistd::Pid,
};

use super::{report::Report, wait_until};

/// The program, not yet with arguments; no sudo stands behind it.
pub(crate) fn fault_trace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fault-trace"));
    command
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    let output = fault_trace().args(arguments).output();
    output.expect("fault-trace starts")
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("the output is UTF-8")
}

/// A running fault-trace; its end is not left to chance.
pub(crate) struct Tracer {
    /// Taken when it is waited for.
    child: Option<Child>,
    pid: u32,
}

impl Tracer {
    /// Starts it, in a process group of its own, and does not wait for anything.
    pub(crate) fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = fault_trace();
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let interruptible = || {
            // A shell starts what runs in the background with SIGINT and SIGQUIT ignored, nohup with
            // SIGHUP, which is inherited.
            // SAFETY: `signal` is async-signal-safe, and no handler is set.
            let set = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP]
                .map(|ending| unsafe { signal(ending, SigHandler::SigDfl) });
            set.into_iter()
                .try_for_each(|set| set.map(drop))
                .map_err(Into::into)
        };
        // SAFETY: the closure keeps to what is allowed after a fork.
        unsafe { command.pre_exec(interruptible) };
        let child = command.spawn().expect("fault-trace starts");
        Self {
            pid: child.id(),
            child: Some(child),
        }
    }

    /// Starts it, and waits until faults count.
    pub(crate) fn attached(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut tracer = Self::start(arguments);
        wait_until("the tracer attaches", || {
            if tracer.has_ended() {
                let output = tracer.child.take().map(Child::wait_with_output);
                panic!("it ended instead: {output:?}");
            }
            tracer.counts()
        });
        tracer
    }

    /// Whether the last hook of those that start counting is attached, as the kernel tells.
    fn counts(&self) -> bool {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fdinfo", self.pid)) else {
            return false;
        };
        descriptors.flatten().any(|descriptor| {
            fs::read_to_string(descriptor.path())
                .is_ok_and(|info| info.contains("tp_name:\tpage_fault_user\n"))
        })
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("not waited for yet")
    }

    fn has_ended(&mut self) -> bool {
        self.child().try_wait().expect("a child").is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid.cast_signed()), signal).expect("it is not reaped yet");
    }

    /// Sends a signal to it, which may be a real-time one.
    pub(crate) fn signal_number(&self, number: i32) {
        // SAFETY: sends a signal to a child that is not reaped yet.
        assert_eq!(unsafe { libc::kill(self.pid.cast_signed(), number) }, 0);
    }

    /// Sends a signal to it and to what it launched, as a terminal does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill(Pid::from_raw(-self.pid.cast_signed()), signal).expect("it is not reaped yet");
    }

    /// Waits for its end.
    pub(crate) fn output(mut self) -> Output {
        let child = self.child.take().expect("waited for once");
        child.wait_with_output().expect("a child")
    }

    /// Waits for its successful end, and for the JSON it prints.
    pub(crate) fn report(self) -> Report {
        Report::of(&self.output())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
