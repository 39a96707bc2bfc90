//! Messages to people on standard error, and the only code that writes there. One that cannot be
//! written is lost, and nothing else: no run ends differently for it.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Display,
    io::{self, Write as _},
    panic::{self, PanicHookInfo},
    sync::{Mutex, PoisonError},
};

use indicatif::{ProgressBar, WeakProgressBar};

use crate::{guarded, render};

/// The progress line or bar that may be on the screen.
static PROGRESS: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Prints a message behind the program's name. Whatever a terminal would obey is shown as an escape.
pub fn say(message: impl Display) {
    let message = render::sanitize_lines(&message.to_string());
    print(&format!("fault-trace: {message}\n"));
}

/// Prints text that is safe and ends its last line itself.
pub fn print(text: &str) {
    let write = || {
        // Nobody is left to tell that nobody can be told.
        let _ = io::stderr().write_all(text.as_bytes());
    };
    let progress = PROGRESS.lock().unwrap_or_else(PoisonError::into_inner);
    match progress.as_ref().and_then(WeakProgressBar::upgrade) {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Takes note of the progress that messages interrupt from now on.
pub fn interrupt(bar: &ProgressBar) {
    *PROGRESS.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
}

/// Makes every panic a message, but those that [`guarded::guarded`] catches.
pub fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        if !guarded::is_guarded() {
            // The progress line stays: its lock may be held by whoever panics.
            let text = render::sanitize_lines(&bug(panic));
            let _ = writeln!(io::stderr(), "fault-trace: {text}");
        }
    }));
}

fn bug(panic: &PanicHookInfo<'_>) -> String {
    let cause = panic.payload_as_str().unwrap_or("no message");
    let place = panic
        .location()
        .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let mut text = format!(
        "this is a bug, please report it with the command line: version {}, {place}: {cause}",
        env!("CARGO_PKG_VERSION")
    );
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        text += &format!("\n{backtrace}");
    }
    text
}
