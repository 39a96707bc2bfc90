//! Files that changed, vanished or were damaged since.

use std::{fs, sync::Arc};

use super::{
    files::{function, named, places},
    lab::Resolver,
    programs::{Folder, NESTED, code_file, symbol},
};
use crate::symbols::Options;
use fault_trace_model::code::{CodeFile, Unresolved};

#[test]
fn a_file_that_is_not_the_one_recorded_names_nothing() {
    let folder = Folder::new();
    let program = folder.compile("program", NESTED, &["-O2"]);
    let (address, _) = symbol(&program, "outer");
    let recorded = code_file(&program);
    let ask = |file: &Arc<CodeFile>| {
        let found = Resolver::new(Options::default()).resolve(&places(file, &[address]), None);
        function(&found[0])
    };
    assert_eq!(ask(&recorded), named("outer", 0));

    folder.compile("program", NESTED, &["-O0"]);
    assert_eq!(ask(&recorded), Err(Unresolved::BuildIdDiffers));
    folder.compile("program", NESTED, &["-O2", "-Wl,--build-id=none"]);
    assert_eq!(ask(&recorded), Err(Unresolved::BuildIdDiffers));
    assert_eq!(ask(&code_file(&program)), Err(Unresolved::NoBuildId));
    fs::write(&program, "#!/bin/sh\n").expect("writes");
    assert_eq!(ask(&recorded), Err(Unresolved::NotElf));
    fs::remove_file(&program).expect("removes");
    assert_eq!(ask(&recorded), Err(Unresolved::NoFile));
    nix::unistd::mkfifo(&program, nix::sys::stat::Mode::S_IRUSR).expect("makes a pipe");
    assert_eq!(ask(&recorded), Err(Unresolved::NoFile));
}

#[test]
fn a_damaged_file_is_never_fatal() {
    let folder = Folder::new();
    let program = folder.compile("program", NESTED, &["-O2", "-g"]);
    let (start, size) = symbol(&program, "outer");
    let addresses: Vec<u64> = (start..start + size).collect();
    let sound = fs::read(&program).expect("reads");
    let recorded = code_file(&program);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..200 {
        let mut damaged = sound.clone();
        for _ in 0..1 + round % 40 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = usize::try_from(random >> 8).expect("fits") % damaged.len();
            damaged[at] = random.to_le_bytes()[0];
        }
        damaged.truncate(sound.len() - round * sound.len() / 400);
        fs::write(&program, &damaged).expect("writes");
        let found = Resolver::new(Options::default()).resolve(&places(&recorded, &addresses), None);
        assert_eq!(found.len(), addresses.len());
    }
}
