//! Counts the faults of a recording by class, from the library: `classes DIR`.
//!
//! Make a recording first: `fault-trace record -o DIR -- COMMAND`.

use std::{collections::BTreeMap, env, error::Error, path::Path, process::ExitCode};

use fault_trace::recording::Recording;

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        eprintln!("usage: classes DIR");
        return ExitCode::from(2);
    };
    match classes(Path::new(&path)) {
        Ok(classes) => {
            for (class, sum) in classes {
                println!("{class} {} {}", sum.faults, sum.latency_ns);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("classes: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The faults of a class.
#[derive(Default)]
struct Sum {
    faults: u64,
    latency_ns: u64,
}

/// Adds the faults up, by the name of their class.
fn classes(path: &Path) -> Result<BTreeMap<&'static str, Sum>, Box<dyn Error>> {
    let mut classes: BTreeMap<_, Sum> = BTreeMap::new();
    // Read in batches: memory does not grow with the recording.
    for fault in Recording::open(path)?.faults() {
        let fault = fault?;
        let sum = classes.entry(fault.class.name()).or_default();
        sum.faults += 1;
        // Faults whose end was not seen have no latency.
        sum.latency_ns += fault.latency_ns.unwrap_or(0);
    }
    Ok(classes)
}
