//! Files that could not be opened or kept.

use std::{fs, path::PathBuf, process::Command};

use super::{
    files::named,
    lab::{Limits, Modules},
    live::{Running, WAITS},
    modules::{resolve, see},
    programs::{Folder, NESTED},
};
use crate::{proc::Proc, symbols::ModuleCounts};
use fault_trace_model::code::{CodePlace, Unresolved};

fn with_limits(limits: Limits) -> Modules {
    Modules::with_limits(Proc::default(), PathBuf::from("/tmp"), limits)
}

#[test]
fn files_beyond_the_bound_are_closed_again_and_found_by_build_id() {
    let folder = Folder::new();
    let program = folder.compile("program", WAITS, &["-O2"]);
    let running = Running::start(&mut Command::new(&program));
    let mut modules = with_limits(Limits {
        held: 0,
        ..Limits::default()
    });
    let place = see(&mut modules, &running);
    assert_eq!(modules.counts().released, 1);
    assert_eq!(resolve(&place, Some(&modules)), named("outer", 3));
    folder.compile("program.new", NESTED, &["-O2"]);
    fs::rename(folder.path("program.new"), &program).expect("replaces");
    // Seen by another run: this one has found the file already.
    let mut modules = with_limits(Limits {
        held: 0,
        ..Limits::default()
    });
    let place = see(&mut modules, &running);
    assert_eq!(
        resolve(&place, Some(&modules)),
        Err(Unresolved::BuildIdDiffers)
    );
}

#[test]
fn addresses_in_too_many_files_are_counted() {
    let folder = Folder::new();
    let program = folder.compile("program", WAITS, &["-O2"]);
    let running = Running::start(&mut Command::new(&program));
    let mut modules = with_limits(Limits {
        files: 0,
        ..Limits::default()
    });
    let place = see(&mut modules, &running);
    assert_eq!(
        place,
        CodePlace::Unknown {
            address: running.outer + 3
        }
    );
    assert_eq!(
        modules.counts(),
        ModuleCounts {
            overflowed: 1,
            ..ModuleCounts::default()
        }
    );
    assert_eq!(resolve(&place, Some(&modules)), Err(Unresolved::NotMapped));
}

#[test]
fn a_file_that_is_gone_may_come_from_the_next_process() {
    let folder = Folder::new();
    let program = folder.compile("program", WAITS, &["-O2"]);
    let mut first = Running::start(&mut Command::new(&program));
    let second = Running::start(&mut Command::new(&program));
    let mapping = first.mapping(first.outer);
    fs::rename(&program, folder.path("renamed")).expect("renames");
    first.stop();
    let mut modules = Modules::new(Proc::default());
    let place = modules.place(first.pid, first.outer, Some(&mapping));
    assert_eq!(modules.counts().unopened, 1);
    assert_eq!(resolve(&place, Some(&modules)), Err(Unresolved::NoFile));
    let mapping = second.mapping(second.outer);
    let place = modules.place(second.pid, second.outer, Some(&mapping));
    assert_eq!(modules.counts().unopened, 0);
    assert_eq!(resolve(&place, Some(&modules)), named("outer", 0));
}
