//! Does what a program can do to whoever watches it, step by step: what the tests of robustness trace.
//!
//! ```text
//! harm STEP…
//!   touch:N         writes once to each of N fresh anonymous pages
//!   closes          closes every descriptor
//!   limits          sets every limit that it can live with to nothing
//!   session         becomes a daemon, by a second fork, and waits for it
//!   ptrace          traces a child through an exec, and writes into its memory
//!   oom             offers itself to the OOM killer
//!   signals         every signal to its parent, the parent's processes, and all of its own user;
//!                   only for a user who is not root. "harmed WHAT" tells what should have failed
//!   bomb:N          N children at once
//!   chain:N         N processes at once, each of which has forked the next
//!   adopted:N       N children that are its parent's (CLONE_PARENT)
//!   orphans:N       N children that outlive the children that forked them
//!   strays:N        N threads, whose main thread exits before them
//!   usurper:N       N times, a thread that is not the main one execs
//!   mappings:N      maps N single pages, touching each; no more at a time than the kernel allows
//!   names:N         N names for the thread, of control characters and of what is not UTF-8
//!   execs:N         executes itself N times, and then goes on with the next step
//! ```
//!
//! It ends with status 0 when everything has been done.

mod memory;
mod others;
mod own;
mod processes;
mod threads;

use std::{env, ffi::CString, os::unix::ffi::OsStringExt};

fn main() {
    let mut steps = env::args().skip(1);
    while let Some(step) = steps.next() {
        let (kind, count) = step.split_once(':').unwrap_or((&step, "0"));
        let count: usize = count.parse().expect("a number");
        match kind {
            "touch" => memory::touch(count),
            "mappings" => memory::mappings(count),
            "closes" => own::close_all(),
            "limits" => own::limit_all(),
            "oom" => own::offer_to_the_oom_killer(),
            "names" => own::rename(count),
            "session" => processes::daemonise(),
            "bomb" => processes::bomb(count),
            "chain" => processes::chain(count),
            "adopted" => processes::adopted(count),
            "orphans" => processes::orphans(count),
            "ptrace" => others::trace_a_child(),
            "signals" => others::signal_everybody(),
            "strays" => threads::strays(count),
            "usurper" if count > 0 => {
                threads::usurp(&format!("usurper:{}", count - 1), steps.collect())
            }
            "usurper" => {}
            "execs" if count > 0 => again(&format!("execs:{}", count - 1), steps),
            "execs" => {}
            _ => panic!("no such step: {step}"),
        }
    }
}

/// Executes this program with a step and those after it.
fn again(step: &str, rest: impl Iterator<Item = String>) -> ! {
    let text = |text: Vec<u8>| CString::new(text).expect("arguments have no NUL");
    let program = env::current_exe().expect("the kernel knows");
    let program = text(program.into_os_string().into_vec());
    let steps = std::iter::once(step.to_owned()).chain(rest);
    let arguments: Vec<CString> = std::iter::once(program.clone())
        .chain(steps.map(|step| text(step.into_bytes())))
        .collect();
    let error = nix::unistd::execv(&program, &arguments).expect_err("it only returns then");
    panic!("{program:?}: {error}");
}
