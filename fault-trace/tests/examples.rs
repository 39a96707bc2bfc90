//! The examples of using the library, run.

mod support;

use std::{path::Path, process::Command};

use support::FAULTS;

#[test]
fn the_example_counts_the_faults_of_each_class() {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("r.ftrace");
    support::write(&recording, true, 2);
    let program = Path::new(env!("CARGO_BIN_EXE_fault-trace")).with_file_name("examples/classes");
    let output = Command::new(&program)
        .arg(&recording)
        .output()
        .expect("the example `classes` is built: cargo build --examples");
    assert!(output.status.success(), "{output:?}");
    // The n-th of them took 100 + n ns.
    let latency_ns = FAULTS * 100 + FAULTS * (FAULTS - 1) / 2;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("anon-alloc {FAULTS} {latency_ns}\n")
    );

    let output = Command::new(program)
        .arg(folder.path().join("none"))
        .output();
    let output = output.expect("it starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
