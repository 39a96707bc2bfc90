//! fault-trace: traces and explains page faults.

#![deny(clippy::print_stderr, clippy::print_stdout)]

use std::{io::ErrorKind, process::ExitCode};

use nix::sys::signal::{SigHandler, Signal};

use fault_trace::{
    cli,
    exit::{self, Exit},
    host::{allocator, limits, symbols},
    messages, session,
};

/// The stack that everything runs on, bytes. The soft limit (`ulimit -s`) is the user's, and may be lower;
/// a stack of our own leaves it as it is for the launched command.
const STACK_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    // Still this thread: rights and the parent's death are a thread's.
    stacker::grow(STACK_BYTES, run)
}

fn run() -> ExitCode {
    symbols::run_if_helper();
    messages::report_panics();
    // Ignore SIGXFSZ, so that exceeding `ulimit -f` fails the write instead of killing us.
    // SAFETY: no handler, and no other thread yet.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
    allocator::keep_freed();
    limits::raise_open_files();
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            return shown(&error).into();
        }
    };
    match session::run(command) {
        Ok(exit) => exit,
        Err(error) => {
            if !exit::is_closed_pipe(&error) {
                messages::say(exit::describe(&error));
            }
            Exit::of(&error)
        }
    }
    .into()
}

/// Prints what clap has to say: usage errors, and the texts of `--help` and `--version`.
fn shown(error: &clap::Error) -> Exit {
    let printed = error.print();
    if error.use_stderr() {
        return Exit::Usage;
    }
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            messages::say(format_args!("cannot write to standard output: {error}"));
            Exit::Failed
        }
        Ok(()) | Err(_) => Exit::Fine,
    }
}
