//! Takes known page faults, step by step: what the privileged tests trace.
//!
//! ```text
//! known STEP…
//!   touch:N         writes once to each of N fresh anonymous pages
//!   threads:T:N     T threads; when told to go on, each does touch:N
//!   forks:K:N       K children, one after another, each does touch:N
//!   wait            waits to be told to go on
//!   populate:N      has the kernel make N fresh anonymous pages present, without an exception
//!   silent:KIND:N   N faults of a kind without an exception; "moved MINOR MAJOR" is what the kernel counted
//!   silent-threads:T:KIND:N the same in T threads at once
//!   silent-for-ever:N populates N pages and unmaps them, until it is killed
//!   pause           sleeps a little
//!   name:NAME       renames the thread
//!   named:NAME:N    a thread with a name does touch:N; "named TID COMM" is what /proc calls it
//!   called:NAME:N   the same, where another thread gives it the name
//!   stuck-named:A:B a thread named A waits in a fault, and goes on when it has been renamed to B
//!   user:ID         becomes another user
//!   real-user:ID    becomes another user, and can still come back
//!   robust:K        K children, one after another, each leaves a bad address for the exit path
//!   robust-threads:K the same with threads
//!   held            a thread waits in a fault until told to go on
//!   stuck           a fault that never ends: nobody answers its userfaultfd
//!   efault:N        N system calls with a buffer that is not mapped
//!   segv            writes where nothing is mapped
//!   exec COMMAND…   the last step: a thread that is not the main one executes a command
//!   run COMMAND…    the last step: runs a command, silently; "usage MINOR MAJOR" is its wait4
//! ```
//!
//! The pages of the steps lie one after another from [`address::START`]; a child's where its parent's
//! next would. Waiting is told with "ready" on standard error; a byte on standard input tells it to
//! go on, and the end of input to end.

mod address;
mod exit_path;
mod memory;
mod names;
mod process;
mod silent;
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
        if step == "exec" {
            names::execute(&steps.collect::<Vec<OsString>>());
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
        (b"populate", Some(&[count])) => pages.map(count).populate(),
        (b"silent-for-ever", Some(&[pages])) => silent::silent_for_ever(pages),
        (b"silent", _) => {
            let (kind, pages) = name_and_count(rest);
            silent::silent(kind, pages);
        }
        (b"silent-threads", _) => {
            let (threads, rest) = halves(rest);
            let threads = numbers(threads).and_then(|numbers| numbers.first().copied());
            let (kind, pages) = name_and_count(rest);
            silent::silent_threads(threads.expect("how many threads?"), kind, pages);
        }
        (b"pause", _) => process::pause(),
        (b"robust", Some(&[children])) => exit_path::children(children),
        (b"robust-threads", Some(&[threads])) => exit_path::threads(threads),
        (b"named", _) => {
            let (name, count) = name_and_count(rest);
            names::named(name, &pages.map(count));
        }
        (b"called", _) => {
            let (name, count) = name_and_count(rest);
            names::named_by_another(name, &pages.map(count));
        }
        (b"stuck-named", _) => {
            let (before, after) = halves(rest);
            names::named_in_a_fault(before, after, &pages.map(1));
        }
        (b"real-user", Some(&[id])) => process::become_real_user(id),
        (b"wait", _) => process::wait(),
        (b"name", _) => process::rename(rest),
        (b"user", Some(&[id])) => process::become_user(id),
        (b"held", _) => stuck::held(&pages.map(1)),
        (b"stuck", _) => stuck::stuck(&pages.map(1)),
        (b"segv", _) => memory::segv(pages.next()),
        _ => panic!("no such step: {}", step.display()),
    }
}

/// `NAME:N`.
fn name_and_count(text: &[u8]) -> (&[u8], usize) {
    let (name, count) = halves(text);
    match numbers(count).as_deref() {
        Some(&[count]) => (name, count),
        _ => panic!("how many?"),
    }
}

/// What stands before and behind the first colon.
fn halves(text: &[u8]) -> (&[u8], &[u8]) {
    let colon = text.iter().position(|&byte| byte == b':');
    let colon = colon.expect("a colon");
    (&text[..colon], &text[colon + 1..])
}

/// Numbers with colons in between; `None` if something else is there.
fn numbers(text: &[u8]) -> Option<Vec<usize>> {
    let text = str::from_utf8(text).ok()?;
    text.split(':').map(|word| word.parse().ok()).collect()
}
