//! fault-trace: traces and explains page faults.

use std::process::ExitCode;

use nix::sys::signal::{SigHandler, Signal};

use fault_trace::{
    cli,
    exit::{self, Exit},
    host::allocator,
    render, session,
};

fn main() -> ExitCode {
    // A limit on file sizes (ulimit -f) is to be an error of the write, with its remedy, not a death.
    // SAFETY: no handler, and no other thread yet.
    let _ = unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
    allocator::keep_freed();
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
                let message = render::sanitize_lines(&exit::describe(&error));
                eprintln!("fault-trace: {message}");
            }
            Exit::of(&error)
        }
    }
    .into()
}
