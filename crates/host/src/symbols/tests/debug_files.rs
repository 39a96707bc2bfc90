//! Debug information apart from the program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    files::{function, named, resolve},
    programs::{Folder, NESTED, addr2line, code_file, run, symbol},
};
use crate::symbols::{Detail, Options};
use fault_trace_model::code::Unresolved;

/// A stripped program, its debug information apart, and the address of a function of it.
struct Split {
    folder: Folder,
    program: PathBuf,
    debug: PathBuf,
    address: u64,
    expected: Vec<(String, Option<String>)>,
}

impl Split {
    fn new() -> Self {
        let folder = Folder::new();
        let program = folder.compile("program", NESTED, &["-O2", "-g"]);
        let debug = folder.path("program.split");
        // A call within what was inlined.
        let (outer, size) = symbol(&program, "outer");
        let address = (outer..outer + size)
            .find(|&address| addr2line(&program, address).len() == 3)
            .expect("inlined twice");
        let expected = addr2line(&program, address);
        run(Command::new("objcopy")
            .arg("--only-keep-debug")
            .args([&program, &debug]));
        run(Command::new("strip").arg(&program));
        Self {
            folder,
            program,
            debug,
            address,
            expected,
        }
    }

    fn link(&self) {
        let link = format!("--add-gnu-debuglink={}", self.debug.display());
        run(Command::new("objcopy").arg(link).arg(&self.program));
    }

    fn install(&self, at: &Path) {
        fs::create_dir_all(at.parent().expect("in a folder")).expect("makes the folder");
        fs::rename(&self.debug, at).expect("moves");
    }

    fn options(&self, detail: Detail) -> Options {
        Options {
            detail,
            debug_directories: vec![self.folder.path("empty"), self.folder.path("debug")],
            ..Options::default()
        }
    }

    fn assert_found(&self) {
        let lines = resolve(&self.program, &[self.address], &self.options(Detail::Lines));
        let frames = lines[0].as_ref().expect("resolves");
        let described: Vec<_> = frames
            .iter()
            .map(|frame| {
                let line = frame.source.as_ref();
                let line = line.map(|line| format!("{}:{}", line.file, line.line));
                (frame.function.to_string(), line)
            })
            .collect();
        assert_eq!(described, self.expected);
        let functions = resolve(
            &self.program,
            &[self.address],
            &self.options(Detail::Functions),
        );
        let offset_bytes = frames.last().expect("never empty").offset_bytes;
        assert_eq!(function(&functions[0]), named("outer", offset_bytes));
    }

    fn by_build_id(&self) -> PathBuf {
        let id = code_file(&self.program)
            .build_id
            .clone()
            .expect("has one")
            .to_string();
        let name = format!("debug/.build-id/{}/{}.debug", &id[..2], &id[2..]);
        self.folder.path(&name)
    }
}

#[test]
fn debug_information_is_found_by_build_id() {
    let split = Split::new();
    split.install(&split.by_build_id());
    split.assert_found();
}

#[test]
fn debug_information_is_found_by_the_programs_link_to_it() {
    for place in ["program.split", ".debug/program.split"] {
        let split = Split::new();
        split.link();
        split.install(&split.folder.path(place));
        split.assert_found();
    }
}

#[test]
fn debug_information_is_found_by_the_programs_path_below_the_folder() {
    for ending in ["", ".debug"] {
        let split = Split::new();
        let path = format!("debug{}{ending}", split.program.display());
        split.install(&split.folder.path(&path));
        split.assert_found();
    }
}

#[test]
fn debug_information_is_enough_when_the_program_is_gone() {
    let split = Split::new();
    let file = code_file(&split.program);
    split.install(&split.by_build_id());
    fs::remove_file(&split.program).expect("removes");
    let places = super::files::places(&file, &[split.address]);
    let mut resolver = super::lab::Resolver::new(split.options(Detail::Lines));
    let found = resolver.resolve(&places, None);
    assert_eq!(
        found[0].as_ref().expect("resolves").len(),
        split.expected.len()
    );
}

#[test]
fn debug_information_of_another_build_is_not_taken() {
    let split = Split::new();
    let other = split.folder.compile("other", NESTED, &["-O0", "-g"]);
    fs::rename(other, &split.debug).expect("replaces");
    split.install(&split.by_build_id());
    let found = resolve(
        &split.program,
        &[split.address],
        &split.options(Detail::Lines),
    );
    assert_eq!(found, [Err(Unresolved::NoSymbols)]);
}
