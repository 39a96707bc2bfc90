//! Takes known page faults, step by step: what the privileged tests trace.
//!
//! ```text
//! known STEP…
//!   touch:N         writes once to each of N fresh anonymous pages
//!   threads:T:N     T threads; when told to go on, each does touch:N
//!   forks:K:N       K children, one after another, each does touch:N
//!   wait            waits to be told to go on
//!   name:NAME       renames the thread
//!   user:ID         becomes another user
//!   stuck           a fault that never ends: nobody answers its userfaultfd
//!   efault:N        N system calls with a buffer that is not mapped
//!   segv            writes where nothing is mapped
//!   run COMMAND…    the last step: runs a command, silently; "usage MINOR MAJOR" is its wait4
//! ```
//!
//! The pages of the steps lie one after another from [`address::START`]; a child's where its parent's
//! next would. Waiting is told with "ready" on standard error; a byte on standard input tells it to
//! go on, and the end of input to end.

mod address;
mod memory;
mod process;
mod stuck;

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

fn main() {
    let mut steps = std::env::args_os().skip(1);
    let mut pages = memory::Pages::new();
    while let Some(step) = steps.next() {
        if step == "run" {
            process::run(&steps.collect::<Vec<OsString>>());
            return;
        }
        take(&step, &mut pages);
    }
}

fn take(step: &OsStr, pages: &mut memory::Pages) {
    let mut words = step.as_bytes().splitn(2, |&byte| byte == b':');
    let kind = words.next().unwrap_or_default();
    let rest = words.next().unwrap_or_default();
    match (kind, numbers(rest).as_deref()) {
        (b"touch", Some(&[count])) => pages.map(count).touch(),
        (b"threads", Some(&[threads, count])) => {
            process::threads(threads, &pages.map(threads * count))
        }
        (b"forks", Some(&[children, count])) => process::forks(children, &pages.map(count)),
        (b"efault", Some(&[times])) => memory::efault(pages.next(), times),
        (b"wait", _) => process::wait(),
        (b"name", _) => process::rename(rest),
        (b"user", Some(&[id])) => process::become_user(id),
        (b"stuck", _) => stuck::stuck(&pages.map(1)),
        (b"segv", _) => memory::segv(pages.next()),
        _ => panic!("no such step: {}", step.display()),
    }
}

/// Numbers with colons in between; `None` if something else is there.
fn numbers(text: &[u8]) -> Option<Vec<usize>> {
    let text = str::from_utf8(text).ok()?;
    text.split(':').map(|word| word.parse().ok()).collect()
}
