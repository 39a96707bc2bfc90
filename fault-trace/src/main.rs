//! fault-trace: traces and explains page faults.

#![deny(clippy::print_stderr, clippy::print_stdout)]

use std::process::ExitCode;

use nix::sys::signal::{SigHandler, Signal};

use fault_trace::{
    cli,
    exit::{self, Exit},
    host::{allocator, limits},
    messages, session,
};

fn main() -> ExitCode {
    messages::report_panics();
    // Ignore SIGXFSZ, so that exceeding `ulimit -f` fails the write instead of killing us.
    // SAFETY: no handler, and no other thread yet.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
    allocator::keep_freed();
    limits::raise_open_files();
    let command = match cli::parse(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            // --help and --version come here, too; a closed pipe is nobody's concern.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Fine
            }
            .into();
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
