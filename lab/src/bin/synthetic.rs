//! A made-up recording, to measure reports and exports on.
//!
//! `synthetic DIR FAULTS [PROCESSES MAPPINGS STACKS]` writes the same recording for the same numbers.

use std::{env, path::Path, process::ExitCode};

use fault_trace::recording::{RecordingError, RecordingWriter};

use lab::synthetic::{self, Shape};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some((path, shape)) = parse(&args) else {
        eprintln!("usage: synthetic DIR FAULTS [PROCESSES MAPPINGS STACKS]");
        return ExitCode::from(2);
    };
    match write(Path::new(path), shape) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("synthetic: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(args: &[String]) -> Option<(&str, Shape)> {
    let [path, faults, numbers @ ..] = args else {
        return None;
    };
    let shape = Shape::USUAL.with_faults(faults.parse().ok()?);
    let number = |index: usize| numbers[index].parse().ok();
    let shape = match numbers.len() {
        0 => shape,
        3 => Shape {
            processes: number(0).filter(|&processes| processes > 0)?,
            mappings: number(1)?.max(number(0)?),
            stacks: number(2)?,
            ..shape
        },
        _ => return None,
    };
    Some((path, shape))
}

fn write(path: &Path, shape: Shape) -> Result<(), RecordingError> {
    let mut run = shape.run();
    let mut writer = RecordingWriter::create(path, false, &run)?;
    shape.rows().try_for_each(|row| writer.push(row))?;
    for fault in shape.faults() {
        synthetic::count(&mut run, &fault);
        writer.push_fault(&fault)?;
    }
    run.complete = true;
    writer.finish(&run).map(drop)
}
