//! Threads with names.

use std::{ffi::OsString, fs, os::unix::process::CommandExt, process::Command, sync::mpsc, thread};

use crate::{memory::Range, process::rename, stuck::Userfault};

/// A thread that names itself, touches the range and ends. Its name is told as /proc has it.
pub(crate) fn named(name: &[u8], range: &Range) {
    thread::scope(|scope| {
        scope.spawn(|| {
            rename(name);
            range.touch();
            tell();
        });
    });
}

/// A thread that another one names before it touches the range and ends.
pub(crate) fn named_by_another(name: &[u8], range: &Range) {
    let (tid, its_tid) = mpsc::channel();
    let (go_on, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            tid.send(nix::unistd::gettid().as_raw()).expect("it waits");
            told.recv().expect("it is told");
            range.touch();
            tell();
        });
        name_another(its_tid.recv().expect("it is alive"), name);
        go_on.send(()).expect("it waits");
    });
}

/// A thread that another one names while it waits in a fault.
pub(crate) fn named_in_a_fault(before: &[u8], after: &[u8], range: &Range) {
    let userfault = Userfault::on(range);
    let (tid, its_tid) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            rename(before);
            tid.send(nix::unistd::gettid().as_raw()).expect("it waits");
            range.touch();
        });
        let tid = its_tid.recv().expect("it is alive");
        userfault.wait_for_one();
        name_another(tid, after);
        userfault.resolve();
    });
}

/// Another thread than the main one executes a program.
pub(crate) fn execute(command: &[OsString]) {
    let [program, arguments @ ..] = command else {
        panic!("execute what?");
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let error = Command::new(program).args(arguments).exec();
            panic!("cannot execute {}: {error}", program.display());
        });
    });
}

fn name_another(tid: i32, name: &[u8]) {
    fs::write(format!("/proc/self/task/{tid}/comm"), name).expect("a thread of its own");
}

fn tell() {
    let comm = fs::read_to_string("/proc/thread-self/comm").expect("it is alive");
    eprintln!("named {} {}", nix::unistd::gettid(), comm.trim_end());
}
