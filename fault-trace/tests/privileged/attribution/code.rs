//! Functions and calls.

use std::{fs, process::Command};

use fault_trace::model::{Fault, attribution::LocationKind};
use tempfile::tempdir;

use super::{Recorded, compile, record, text};
use crate::support::{Tracer, has, is_root, openers, run, wait_until};

/// Optimised leaf functions go without, whatever gcc is told.
const FRAME_POINTERS: [&str; 2] = ["-O0", "-fno-omit-frame-pointer"];

/// Faults that `main` took by way of `caller` and `touch`.
fn touched_through(recorded: &Recorded, caller: &str) -> usize {
    let calls = recorded.faults.iter().map(|fault| recorded.calls(fault));
    calls
        .filter(|calls| calls.len() > 2 && calls[..3] == ["touch", caller, "main"])
        .count()
}

#[test]
fn every_page_is_laid_at_the_door_of_the_function_that_touched_it() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let program = compile("touch", folder.path(), &FRAME_POINTERS);
    let recorded = record(folder.path(), &["--stacks"], &[text(&program)]);
    assert_eq!(touched_through(&recorded, "few"), 300);
    assert_eq!(touched_through(&recorded, "many"), 1000);
    let touching = recorded
        .faults
        .iter()
        .filter_map(|fault| recorded.function(fault));
    assert_eq!(touching.filter(|name| name == "touch").count(), 1300);
}

#[test]
fn callers_are_found_without_frame_pointers() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let without = ["-O2", "-fomit-frame-pointer", "-fno-optimize-sibling-calls"];
    let program = compile("touch", folder.path(), &without);
    let recorded = record(folder.path(), &["--call-graph", "dwarf"], &[text(&program)]);
    assert_eq!(touched_through(&recorded, "few"), 300);
    assert_eq!(touched_through(&recorded, "many"), 1000);
}

#[test]
fn the_function_is_known_without_stacks() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let program = compile("touch", folder.path(), &["-O1"]);
    let recorded = record(folder.path(), &[], &[text(&program)]);
    let touching = recorded
        .faults
        .iter()
        .filter_map(|fault| recorded.function(fault));
    assert_eq!(touching.filter(|name| name == "touch").count(), 1300);
    assert!(recorded.faults.iter().all(|fault| fault.stack_id.is_none()));
}

#[test]
fn faults_of_system_calls_have_the_kernels_calls_above_the_programs() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let recorded = record(
        folder.path(),
        &["-g"],
        &["head", "-c", "3000000", "/dev/zero"],
    );
    let in_kernel = recorded
        .faults
        .iter()
        .filter(|fault| fault.mode() == "kernel");
    let calls: Vec<_> = in_kernel.map(|fault| recorded.calls(fault)).collect();
    // The system call's entry; below it, code of the C library.
    let entered = |calls: &Vec<String>| calls.iter().any(|name| name.contains("do_syscall_64"));
    assert!(calls.iter().any(entered), "{calls:?}");
}

#[test]
fn a_program_that_is_deleted_while_it_runs_keeps_its_names() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let program = compile("touch", folder.path(), &["-O1"]);
    let path = folder.path().join("r.ftrace");
    let tracer = Tracer::start([
        "record",
        "--output",
        text(&path),
        "--",
        text(&program),
        text(&program),
    ]);
    wait_until("the program is opened", || {
        openers().into_iter().any(|opener| {
            let open = fs::read_dir(format!("/proc/{opener}/fd"));
            let open = open.into_iter().flatten().flatten();
            open.flat_map(|descriptor| fs::read_link(descriptor.path()))
                .any(|file| file == program)
        })
    });
    fs::remove_file(&program).expect("removes");
    let output = tracer.output();
    assert!(output.status.success(), "{output:?}");
    let recorded = Recorded::open(&path);
    let touching = recorded
        .faults
        .iter()
        .filter_map(|fault| recorded.function(fault));
    assert_eq!(touching.filter(|name| name == "touch").count(), 1300);
}

#[test]
fn a_recording_is_named_elsewhere_from_a_folder_of_debug_information() {
    if !is_root() || !has("objcopy") {
        return;
    }
    let folder = tempdir().expect("a folder");
    let program = compile("touch", folder.path(), &["-O1", "-g", "-Wl,--build-id"]);
    let debug = folder.path().join("debug");
    let separate = debug.join(text(&program).trim_start_matches('/'));
    fs::create_dir_all(separate.parent().expect("has one")).expect("creates");
    let separate = separate.with_extension("debug");
    objcopy(&["--only-keep-debug", text(&program), text(&separate)]);
    objcopy(&["--strip-all", text(&program)]);
    let path = folder.path().join("r.ftrace");
    record(folder.path(), &[], &[text(&program)]);
    // Elsewhere there is no such program.
    fs::remove_file(&program).expect("removes");
    let by_function = |options: &[&str]| {
        let mut arguments = vec!["report", text(&path), "--by", "function", "--format", "csv"];
        arguments.extend(options);
        let output = run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let without = by_function(&[]);
    assert!(!without.contains("touch.c"), "{without}");
    let with = by_function(&["--debug-dir", text(&debug)]);
    assert!(with.contains("touch.c"), "{with}");
}

fn objcopy(arguments: &[&str]) {
    let output = Command::new("objcopy").args(arguments).output();
    let output = output.expect("binutils come with the compiler");
    assert!(output.status.success(), "{output:?}");
}

/// The functions of compiled code that took faults, as the perf map of the run-time names them.
fn compiled(recorded: &Recorded) -> Vec<String> {
    let is_jit = |fault: &&Fault| {
        let location = fault
            .location_id
            .and_then(|id| recorded.tables.location_of(id));
        location.is_some_and(|location| location.kind == LocationKind::Jit)
    };
    let faults = recorded.faults.iter().filter(is_jit);
    faults
        .filter_map(|fault| recorded.function(fault))
        .collect()
}

#[test]
fn code_made_at_run_time_is_named_by_its_perf_map() {
    if !is_root() || !has("node") {
        return;
    }
    let folder = tempdir().expect("a folder");
    // Touches 8,000 fresh pages in code that was compiled before: at this very call, and not whenever a
    // thread of the compiler gets to it.
    let script = "function touchPages(a) { for (let i = 0; i < a.length; i += 4096) a[i] = 1; }
        %PrepareFunctionForOptimization(touchPages);
        touchPages(new Uint8Array(1 << 16));
        %OptimizeFunctionOnNextCall(touchPages);
        touchPages(new Uint8Array(8000 * 4096));";
    // It leaves a log of its own where it runs.
    let mut command = vec!["env", "-C", text(folder.path())];
    command.extend(["node", "--perf-basic-prof", "--allow-natives-syntax"]);
    command.extend(["-e", script]);
    let recorded = record(folder.path(), &[], &command);
    let functions = compiled(&recorded);
    let touching = functions.iter().filter(|name| name.contains("touchPages"));
    let touching = touching.count();
    assert!(touching >= 7000, "{touching} of {}", functions.len());
}

#[test]
fn a_process_that_executes_another_program_gets_its_names() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let other = tempdir().expect("a folder");
    // The same addresses hold other functions before and after: no position-independent code.
    let fixed = ["-O1", "-no-pie"];
    let program = compile("touch", folder.path(), &fixed);
    let file = compile("file", other.path(), &fixed);
    let data = folder.path().join("data");
    fs::write(&data, vec![1; 1 << 20]).expect("writes");
    let script = format!(
        "{1} {2} 0x1000; exec {0}",
        text(&program),
        text(&file),
        text(&data)
    );
    let recorded = record(folder.path(), &[], &["sh", "-c", &script]);
    let mut faults = recorded.faults.iter();
    let touching = faults.clone().filter_map(|fault| recorded.function(fault));
    assert_eq!(touching.filter(|name| name == "touch").count(), 1300);
    let reading = faults.find(|fault| {
        recorded
            .mapping(fault)
            .is_some_and(|(name, _)| name == text(&data))
    });
    let reading = reading.expect("the file was read");
    assert_eq!(recorded.function(reading).as_deref(), Some("main"));
}
