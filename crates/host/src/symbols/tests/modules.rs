//! Files that were seen while a process ran.

use std::{fs, process::Command, sync::Arc};

use super::{
    files::{function, named},
    lab::{Modules, Resolver},
    live::{Running, WAITS},
    programs::{Folder, NESTED, code_file, symbol},
};
use crate::{
    proc::Proc,
    symbols::{ModuleCounts, Options},
};
use fault_trace_model::code::{BuildId, CodeFile, CodePlace, Unresolved};

pub(super) fn resolve(
    place: &CodePlace,
    modules: Option<&Modules>,
) -> Result<(String, u64), Unresolved> {
    let found = Resolver::new(Options::default()).resolve(std::slice::from_ref(place), modules);
    function(&found[0])
}

/// Sees the process's own function, 3 bytes in.
pub(super) fn see(modules: &mut Modules, running: &Running) -> CodePlace {
    let address = running.outer + 3;
    modules.place(running.pid, address, Some(&running.mapping(address)))
}

#[test]
fn a_place_does_not_depend_on_where_the_file_was_loaded() {
    let folder = Folder::new();
    let program = folder.compile("program", WAITS, &["-O2", "-pie", "-fPIE"]);
    let (one, other) = (
        Running::start(&mut Command::new(&program)),
        Running::start(&mut Command::new(&program)),
    );
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &one);
    assert_eq!(place, see(&mut modules, &other));
    let CodePlace::File {
        file, elf_address, ..
    } = &place
    else {
        panic!("in a file: {place:?}");
    };
    assert_eq!(*elf_address, Some(symbol(&program, "outer").0 + 3));
    assert_eq!(file.build_id, code_file(&program).build_id);
    assert_eq!(
        modules.counts(),
        ModuleCounts {
            files: 1,
            ..ModuleCounts::default()
        }
    );
}

#[test]
fn a_file_that_was_deleted_since_still_names_its_code() {
    let folder = Folder::new();
    let program = folder.compile("program", WAITS, &["-O2"]);
    let mut running = Running::start(&mut Command::new(&program));
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &running);
    fs::remove_file(&program).expect("removes");
    running.stop();
    assert_eq!(resolve(&place, Some(&modules)), named("outer", 3));
    assert_eq!(resolve(&place, None), Err(Unresolved::NoFile));
}

#[test]
fn a_file_that_is_held_names_nothing_of_another_with_its_number() {
    let folder = Folder::new();
    let program = folder.compile("program", WAITS, &["-O2"]);
    let running = Running::start(&mut Command::new(&program));
    let mut modules = Modules::new(Proc::default());
    let CodePlace::File {
        file,
        offset_bytes,
        elf_address,
    } = see(&mut modules, &running)
    else {
        panic!("in a file");
    };
    let other = CodePlace::File {
        file: Arc::new(CodeFile {
            build_id: BuildId::new(b"other"),
            ..(*file).clone()
        }),
        offset_bytes,
        elf_address,
    };
    assert_eq!(
        resolve(&other, Some(&modules)),
        Err(Unresolved::BuildIdDiffers)
    );
}

#[test]
fn a_file_that_was_replaced_since_still_names_its_code() {
    let folder = Folder::new();
    let program = folder.compile("program", WAITS, &["-O2"]);
    let mut running = Running::start(&mut Command::new(&program));
    let mut modules = Modules::new(Proc::default());
    let place = see(&mut modules, &running);
    fs::remove_file(&program).expect("removes");
    folder.compile("program", NESTED, &["-O2"]);
    running.stop();
    assert_eq!(resolve(&place, Some(&modules)), named("outer", 3));
    assert_eq!(resolve(&place, None), Err(Unresolved::BuildIdDiffers));
}

#[test]
fn a_file_that_was_deleted_before_is_found_through_the_kernels_link() {
    let folder = Folder::new();
    let program = folder.compile("program", WAITS, &["-O2"]);
    let running = Running::start(&mut Command::new(&program));
    fs::remove_file(&program).expect("removes");
    // Another file of that name must not be taken for it.
    folder.compile("program", NESTED, &["-O2"]);
    // The link is root's to follow.
    let expected = match nix::unistd::geteuid().is_root() {
        true => named("outer", 0),
        false => Err(Unresolved::NoBuildId),
    };
    let exact = running.mapping(running.outer);
    let mut joined = exact.clone();
    joined.end += 1 << 20;
    for mapping in [exact, joined] {
        let mut modules = Modules::new(Proc::default());
        let place = modules.place(running.pid, running.outer, Some(&mapping));
        assert_eq!(resolve(&place, Some(&modules)), expected, "{mapping:?}");
    }
}

#[test]
fn a_file_inside_a_container_is_found_there() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("root/bin")).expect("makes it");
    let program = folder.compile("root/bin/program", WAITS, &["-O2", "-static"]);
    let root = folder.path("root");
    let running = Running::start_in(&root, "/bin/program", &[]);
    let mut mapping = running.mapping(running.outer);
    // Without the kernel's link, which needs the bounds; the path means nothing outside.
    mapping.end += 1 << 20;
    let mut modules = Modules::new(Proc::default());
    let place = modules.place(running.pid, running.outer, Some(&mapping));
    let CodePlace::File { file, .. } = &place else {
        panic!("in a file: {place:?}");
    };
    assert_eq!(file.build_id, code_file(&program).build_id);
    assert_eq!(resolve(&place, Some(&modules)), named("outer", 0));
}

#[test]
fn a_file_on_an_overlay_is_found_although_its_device_is_another() {
    // Elsewhere a user may not be allowed to mount one.
    if nix::unistd::geteuid().is_root() {
        const MOUNT: &str = "mount -t tmpfs none lower && cp program lower && mount -t overlay \
            -o lowerdir=lower,upperdir=upper,workdir=work none merged && exec merged/program";
        let folder = Folder::new();
        for part in ["lower", "upper", "work", "merged"] {
            fs::create_dir(folder.path(part)).expect("makes it");
        }
        folder.compile("program", WAITS, &["-O2"]);
        let mut shell = Command::new("unshare");
        shell
            .current_dir(folder.path(""))
            .args(["--mount", "sh", "-c", MOUNT]);
        let running = Running::start(&mut shell);
        let exact = running.mapping(running.outer);
        let mut joined = exact.clone();
        joined.end += 1 << 20;
        for mapping in [exact, joined] {
            let mut modules = Modules::new(Proc::default());
            let place = modules.place(running.pid, running.outer, Some(&mapping));
            assert_eq!(
                resolve(&place, Some(&modules)),
                named("outer", 0),
                "{mapping:?}"
            );
        }
    }
}

#[test]
fn kernel_and_unmapped_addresses_are_told_apart() {
    let mut modules = Modules::new(Proc::default());
    let mut place = |address| modules.place(1, address, None);
    let address = 0xffff_ffff_8000_0000;
    assert_eq!(place(address), CodePlace::Kernel { address });
    assert_eq!(place(4096), CodePlace::Unknown { address: 4096 });
}

#[test]
fn a_resolver_answers_in_the_order_asked_and_the_same_again() {
    let folder = Folder::new();
    let program = folder.compile("program", NESTED, &["-O2"]);
    let file = code_file(&program);
    let at = |name| CodePlace::File {
        file: Arc::clone(&file),
        offset_bytes: symbol(&program, name).0,
        elf_address: Some(symbol(&program, name).0),
    };
    let places = [
        at("outer"),
        CodePlace::Unknown { address: 9 },
        at("main"),
        at("outer"),
    ];
    let mut resolver = Resolver::new(Options::default());
    for _ in 0..2 {
        let found = resolver.resolve(&places, None);
        let names: Vec<_> = found.iter().map(function).collect();
        let expected = [
            named("outer", 0),
            Err(Unresolved::NotMapped),
            named("main", 0),
            named("outer", 0),
        ];
        assert_eq!(names, expected);
    }
}
