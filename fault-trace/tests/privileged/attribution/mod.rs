//! Whose fault it is: mapping, file, code, calls; on programs that know what they touch.

mod cgroups;
mod code;
mod files;
mod resident;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use fault_trace::{
    analysis::Tables,
    model::{Fault, Run},
    recording::Recording,
};

use crate::support::run;

/// A recording in memory: what faults refer to, and the faults.
struct Recorded {
    tables: Tables,
    faults: Vec<Fault>,
    run: Run,
}

impl Recorded {
    fn open(path: &Path) -> Self {
        let recording = Recording::open(path).expect("a recording");
        let mut tables = Tables::default();
        recording
            .mappings()
            .for_each(|row| tables.mapping(row.expect("reads")));
        recording
            .locations()
            .for_each(|row| tables.location(row.expect("reads")));
        recording
            .symbols()
            .for_each(|row| tables.symbol(row.expect("reads")));
        recording
            .stacks()
            .for_each(|row| tables.stack(row.expect("reads")));
        recording
            .cgroups()
            .for_each(|row| tables.cgroup(row.expect("reads")));
        recording
            .tasks()
            .for_each(|row| tables.task(&row.expect("reads")));
        let faults = recording.faults().map(|fault| fault.expect("reads"));
        Self {
            faults: faults.collect(),
            run: recording.run,
            tables,
        }
    }

    /// The functions that led to a fault, innermost first.
    fn calls(&self, fault: &Fault) -> Vec<String> {
        let stack = fault.stack_id.and_then(|id| self.tables.stack_of(id));
        let locations = stack.unwrap_or_default().iter();
        locations
            .flat_map(|&location| self.tables.frames(location))
            .map(|frame| frame.name().into_owned())
            .collect()
    }

    /// The name of the function that made the access.
    fn function(&self, fault: &Fault) -> Option<String> {
        let location = fault.location_id?;
        Some(self.tables.innermost(location).name().into_owned())
    }

    /// The name of the mapping and where the address lies in it.
    fn mapping(&self, fault: &Fault) -> Option<(String, u64)> {
        let mapping = self.tables.mapping_of(fault.mapping_id?)?;
        let name = String::from_utf8_lossy(&mapping.name).into_owned();
        Some((name, mapping.offset_of(fault.address)))
    }
}

/// Compiles `NAME.c` beside this file, with these options, to `folder/NAME`.
fn compile(name: &str, folder: &Path, options: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/privileged/attribution")
        .join(name)
        .with_extension("c");
    let program = folder.join(name);
    let mut compiler = Command::new("cc");
    compiler.args(options).arg("-o").arg(&program).arg(source);
    let output = compiler
        .output()
        .expect("a C compiler, which the build needs, too");
    assert!(output.status.success(), "{output:?}");
    program
}

/// Records a command with these options.
fn record(folder: &Path, options: &[&str], command: &[&str]) -> Recorded {
    let path = folder.join("r.ftrace");
    let mut arguments = vec![
        "record",
        "--overwrite",
        "--output",
        path.to_str().expect("text"),
    ];
    arguments.extend(options);
    arguments.push("--");
    arguments.extend(command);
    let output = run(arguments);
    assert!(output.status.success(), "{output:?}");
    Recorded::open(&path)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}
