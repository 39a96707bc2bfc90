//! Pages made resident, against the kernel's own sum.

use std::fs;

use fault_trace::analysis::resident::{Resident, Sources};
use tempfile::tempdir;

use super::{Recorded, compile, text};
use crate::support::{is_root, run};

#[test]
fn the_growth_of_resident_memory_lies_within_the_bounds() {
    if !is_root() {
        return;
    }
    let folder = tempdir().expect("a folder");
    let program = compile("grow", folder.path(), &["-O1"]);
    let data = folder.path().join("data");
    fs::write(&data, vec![1; 300 << 12]).expect("writes");
    let path = folder.path().join("r.ftrace");
    // The summary is kept apart from what the program prints.
    let output = run([
        "record",
        "--format",
        "json",
        "-o",
        text(&path),
        "--",
        text(&program),
        text(&data),
    ]);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("text");
    let line = printed.lines().next().expect("the program's line");
    let numbers: Vec<u64> = line
        .split(' ')
        .map(|word| word.parse().expect("a number"))
        .collect();
    let [grown, from_ns, to_ns] = numbers.as_slice() else {
        panic!("{line}");
    };

    let recorded = Recorded::open(&path);
    let sources = Sources::from(&recorded.run);
    let mut sum = Resident::default();
    for fault in &recorded.faults {
        if (*from_ns..*to_ns).contains(&fault.time_ns) {
            let kind = || Some(recorded.tables.mapping_of(fault.mapping_id?)?.kind);
            sum += Resident::of(fault, sources, kind);
        }
    }
    // The fresh pages and the copies are exact; the file's are what fault-around mapped.
    assert!(sum.at_least >= 300 + 20, "{sum:?}");
    assert!(sum.at_least <= *grown, "{sum:?}, grown by {grown}");
    assert!(
        sum.at_most.is_none_or(|most| most >= *grown),
        "{sum:?}, grown by {grown}"
    );
}
