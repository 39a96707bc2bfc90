//! Files that would have whoever reads them take all memory.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{Lab, MEMORY_MAX, unread_files};
use crate::support::{MemoryCgroup, Report, is_root, jsonl};

#[test]
fn memory_that_one_file_took_is_not_laid_to_another() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let names = ["first.so", "second.so", "third.so"];
    let libraries = names.map(|name| lab.path(name));
    for library in &libraries {
        // Each alone fits; two at once do not.
        let packed = lab.library().unpacking(".debug_str", 150 << 20);
        packed.write(library);
        assert!(fs::metadata(library).expect("is there").len() < 1 << 20);
    }
    let (report, memory) = lab.record_all(&libraries.each_ref().map(PathBuf::as_path));
    assert_eq!(unread_files(&report), 0, "{report}");
    assert!(memory < MEMORY_MAX, "{memory}");
    let faults = jsonl(&lab.path("r.ftrace"));
    for name in names {
        let is_named = |fault: &Value| {
            let text = |key: &str| fault[key].as_str().unwrap_or_default();
            text("module").ends_with(name) && text("source").contains("library.c")
        };
        assert!(faults.iter().any(is_named), "{name}: {report}");
    }
}

#[test]
fn tracer_and_helpers_fit_into_512_mib_whatever_the_files_hold() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let library = |name: &str| lab.path(name);
    lab.library()
        .write_sparse(&library("sparse.so"), 100_000_000);
    lab.library()
        .claim(".debug_info", 1 << 40)
        .write(&library("claims.so"));
    lab.library()
        .write_with_symbols(&library("many.so"), lab.touch, 2_000_000);
    let mut names = vec!["sparse.so", "claims.so", "many.so"];
    for (name, bytes) in [
        ("a.so", 150 << 20),
        ("b.so", 230 << 20),
        ("c.so", 400 << 20),
    ] {
        let packed = lab.library().unpacking(".debug_str", bytes);
        packed.write(&library(name));
        names.push(name);
    }
    fs::copy(library("lib.so"), library("sound.so")).expect("copies");
    names.push("sound.so");
    let libraries: Vec<PathBuf> = names.into_iter().map(library).collect();
    for call_graph in ["fp", "dwarf"] {
        let Some(cgroup) = MemoryCgroup::new("untrusted", MEMORY_MAX) else {
            return;
        };
        let libraries: Vec<_> = libraries.iter().map(PathBuf::as_path).collect();
        let mut arguments = lab.arguments_of(&libraries);
        arguments.splice(1..1, ["--call-graph".to_owned(), call_graph.to_owned()]);
        arguments.retain(|argument| argument != "-g");
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = cgroup.run(&arguments);
        assert_eq!(cgroup.kills(), 0, "{call_graph}: {output:?}");
        let report = Report::of(&output);
        report.assert_balanced();
        assert_eq!(report.accounting("unexplained"), 0, "{call_graph}");
        assert!(lab.is_complete(), "{call_graph}");
        assert!(unread_files(&report.0) >= 2, "{call_graph}: {:#}", report.0);
        let is_sound = |fault: &Value| {
            let text = |key: &str| fault[key].as_str().unwrap_or_default();
            text("module").ends_with("sound.so") && text("source").contains("library.c")
        };
        let faults = jsonl(&lab.path("r.ftrace"));
        assert!(faults.iter().any(is_sound), "{call_graph}: {:#}", report.0);
    }
}
