//! Code that runtimes compile, by the lists they write.

use std::{fs, os::unix::fs::chown, path::PathBuf, process::Command, slice};

use super::{
    files::{function, named},
    lab::{Limits, Modules, Resolver},
    live::{Running, WAITS},
    programs::Folder,
};
use crate::{proc::Proc, symbols::Options};
use fault_trace_model::code::{CodePlace, Unresolved};

fn resolve(place: &CodePlace, modules: &Modules) -> Result<(String, u64), Unresolved> {
    let found = Resolver::new(Options::default()).resolve(slice::from_ref(place), Some(modules));
    function(&found[0])
}

fn see(modules: &mut Modules, running: &Running, into: u64) -> CodePlace {
    let address = running.compiled + into;
    modules.place(running.pid, address, Some(&running.mapping(address)))
}

/// A program that lists what it compiles, if it has an argument.
fn compiler(folder: &Folder, arguments: &[&str]) -> Running {
    let program = folder.compile("program", WAITS, &["-O2"]);
    Running::start(Command::new(program).args(arguments))
}

#[test]
fn compiled_code_is_named_by_the_list_also_when_the_process_is_gone() {
    let folder = Folder::new();
    let mut running = compiler(&folder, &["a b"]);
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &running, 0x3f);
    let beyond = see(&mut modules, &running, 0x40);
    let pid = running.pid;
    assert_eq!(
        place,
        CodePlace::Jit {
            pid,
            address: running.compiled + 0x3f
        }
    );
    running.stop();
    assert_eq!(resolve(&place, &modules), named("compiled a b", 0x3f));
    assert_eq!(resolve(&beyond, &modules), Err(Unresolved::NotInPerfMap));
    modules.process_exited(pid);
    fs::remove_file(format!("/tmp/perf-{pid}.map")).expect("removes");
    assert_eq!(resolve(&place, &modules), named("compiled a b", 0x3f));
}

#[test]
fn a_list_that_grew_is_read_again() {
    let folder = Folder::new();
    let running = compiler(&folder, &["one"]);
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &running, 0x80);
    let mut resolver = Resolver::new(Options::default());
    let mut ask = || function(&resolver.resolve(slice::from_ref(&place), Some(&modules))[0]);
    assert_eq!(ask(), Err(Unresolved::NotInPerfMap));
    let list = format!("/tmp/perf-{}.map", running.pid);
    let mut lines = fs::read_to_string(&list).expect("reads");
    lines.push_str(&format!("{:x} 10 two\n", running.compiled + 0x80));
    fs::write(&list, lines).expect("writes");
    assert_eq!(ask(), named("two", 0));
}

#[test]
fn a_containers_list_has_the_number_that_the_process_knows() {
    let folder = Folder::new();
    for inside in ["root/bin", "root/tmp"] {
        fs::create_dir_all(folder.path(inside)).expect("makes it");
    }
    folder.compile("root/bin/program", WAITS, &["-O2", "-static"]);
    let mut running = Running::start_in(&folder.path("root"), "/bin/program", &["inside"]);
    assert!(folder.path("root/tmp/perf-1.map").exists());
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &running, 0);
    running.stop();
    assert_eq!(resolve(&place, &modules), named("compiled inside", 0));
}

#[test]
fn without_a_list_compiled_code_has_no_name() {
    let folder = Folder::new();
    let running = compiler(&folder, &[]);
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &running, 0);
    assert_eq!(resolve(&place, &modules), Err(Unresolved::NoPerfMap));
}

#[test]
fn a_list_of_another_user_is_not_believed() {
    // Only root can give a file away.
    if nix::unistd::geteuid().is_root() {
        let folder = Folder::new();
        let running = compiler(&folder, &["forged"]);
        let mut modules = Modules::new(Proc::default());
        let place = see(&mut modules, &running, 0);
        let list = format!("/tmp/perf-{}.map", running.pid);
        chown(list, Some(65_534), None).expect("gives it away");
        assert_eq!(resolve(&place, &modules), Err(Unresolved::ForeignPerfMap));
    }
}

#[test]
fn a_list_that_is_a_link_is_not_followed() {
    let folder = Folder::new();
    let running = compiler(&folder, &[]);
    let list = folder.path("elsewhere");
    fs::write(&list, format!("{:x} 40 linked\n", running.compiled)).expect("writes");
    let link = format!("/tmp/perf-{}.map", running.pid);
    std::os::unix::fs::symlink(list, link).expect("links");
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &running, 0);
    assert_eq!(resolve(&place, &modules), Err(Unresolved::NoPerfMap));
}

#[test]
fn code_of_two_processes_with_one_pid_has_no_name() {
    let folder = Folder::new();
    let running = compiler(&folder, &["first"]);
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &running, 0);
    modules.process_exited(running.pid);
    assert_eq!(resolve(&place, &modules), named("compiled first", 0));
    // As if another process had the number now.
    see(&mut modules, &running, 0);
    assert_eq!(resolve(&place, &modules), Err(Unresolved::PidReused));
}

#[test]
fn processes_beyond_the_bound_are_counted() {
    let folder = Folder::new();
    let running = compiler(&folder, &["one"]);
    let limits = Limits {
        jit_processes: 0,
        ..Limits::default()
    };
    let mut modules = Modules::with_limits(Proc::default(), PathBuf::from("/tmp"), limits);
    let place = see(&mut modules, &running, 0);
    assert_eq!(modules.counts().jit_overflowed, 1);
    assert_eq!(resolve(&place, &modules), Err(Unresolved::NoPerfMap));
}
