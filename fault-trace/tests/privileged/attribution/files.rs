//! Files and mappings.

use std::{fs, path::Path};

use tempfile::tempdir;

use super::{compile, record, text};
use crate::support::is_root;

#[test]
fn a_file_is_named_with_the_offsets_that_were_read() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let program = compile("file", folder.path(), &["-O1"]);
    let data = folder.path().join("data");
    fs::write(&data, vec![1; 8 << 20]).expect("writes");
    // Farther apart than one fault can map: a large folio of 2 MiB.
    let offsets = [0x00_3000, 0x30_0123, 0x65_6789];
    let given: Vec<String> = offsets
        .iter()
        .map(|offset| format!("{offset:#x}"))
        .collect();
    let mut command = vec![text(&program), text(&data)];
    command.extend(given.iter().map(String::as_str));
    let recorded = record(folder.path(), &[], &command);
    let read: Vec<u64> = recorded
        .faults
        .iter()
        .filter_map(|fault| recorded.mapping(fault))
        .filter(|(name, _)| name == text(&data))
        .map(|(_, offset)| offset)
        .collect();
    assert_eq!(read, offsets);
}

#[test]
fn every_completed_user_fault_has_its_mapping() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    // A program that takes faults on data by code whose own page comes later, and the other way round.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/privileged/attribution/grow.c");
    let object = folder.path().join("grow.o");
    let command = ["cc", "-O2", "-c", "-o", text(&object), text(&source)];
    let recorded = record(folder.path(), &[], &command);
    let ended = recorded
        .faults
        .iter()
        .filter(|fault| fault.evidence.any(fault_trace_common::Evidence::ENDED));
    let (mut known, mut unknown) = (0, Vec::new());
    for fault in ended {
        match recorded.mapping(fault) {
            Some(_) => known += 1,
            None => unknown.push(fault),
        }
    }
    assert!(known > 1000, "{known}");
    assert!(unknown.is_empty(), "{unknown:#?}");
}
