//! Where the time of faults goes, and how long they take, held against programs that know it and
//! against the recorded faults themselves.

mod calibration;
mod cost;
mod phases;
mod quantiles;

use std::path::Path;

use fault_trace::{model::Fault, recording::Recording};

use crate::support::run;

/// The faults of a recording.
fn faults(recording: &Path) -> Vec<Fault> {
    let recording = Recording::open(recording).expect("a recording");
    recording
        .faults()
        .map(|fault| fault.expect("reads"))
        .collect()
}

/// Records a command; what it printed.
fn record(recording: &Path, options: &[&str], command: &[&str]) -> std::process::Output {
    let mut arguments = vec!["record", "--format", "csv", "--output"];
    arguments.push(
        recording
            .to_str()
            .expect("temporary folders have plain names"),
    );
    arguments.extend(options);
    arguments.push("--");
    arguments.extend(command);
    run(arguments)
}
