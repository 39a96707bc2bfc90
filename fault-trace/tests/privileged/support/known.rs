//! The program `known` of the test lab: a program with known faults.

#[path = "../../../../lab/src/bin/known/address.rs"]
pub(crate) mod address;

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use address::PAGE;
pub(crate) use address::START;

/// A program of the test lab: it lies beside the program that is tested.
pub(crate) fn lab(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_fault-trace")).with_file_name(name);
    assert!(
        path.exists(),
        "build {} first: cargo build -p lab --bin {name}",
        path.display()
    );
    path
}

/// The program itself.
pub(crate) fn known_path() -> PathBuf {
    lab("known")
}

/// The first `pages` pages as a value of `--address`.
pub(crate) fn range(pages: usize) -> String {
    format!("{START:#x}-{:#x}", START + pages * PAGE)
}

/// A running `known`; its end is not left to chance.
pub(crate) struct Known {
    child: Child,
    messages: BufReader<ChildStderr>,
}

impl Known {
    /// Starts it with these steps.
    pub(crate) fn start(steps: &[&str]) -> Self {
        let mut child = Command::new(known_path())
            .args(steps)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("known starts");
        let messages = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, messages }
    }

    /// Starts it and waits for its first `wait`.
    pub(crate) fn waiting(steps: &[&str]) -> Self {
        let mut known = Self::start(steps);
        known.until("ready");
        known
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a message.
    pub(crate) fn until(&mut self, message: &str) {
        assert_eq!(self.message(), message);
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> String {
        let mut line = String::new();
        self.messages.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    /// Ends a `wait`.
    pub(crate) fn go_on(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        stdin.write_all(b"\n").expect("it waits for this");
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).expect("it is not reaped yet");
    }

    /// Ends a `wait`, and waits until all steps are done.
    pub(crate) fn finish(mut self) {
        self.go_on();
        assert!(self.ended().success());
    }

    /// How it ends.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().expect("a child")
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
