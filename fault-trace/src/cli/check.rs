//! Options that are right by themselves and make no sense together.

use fault_trace_common::wire::STACK_COPY_BYTES;

use crate::{
    analysis::view::{By, SortBy},
    filter::{Condition, Filter, write_duration},
    options::{CallGraph, CaptureOptions, Command, ReportOptions},
};

/// Room for a few copies of stacks, bytes: the kernel takes no record that is as long as the buffer.
const SMALLEST_FOR_COPIES: u32 = (8 * STACK_COPY_BYTES) as u32;

/// Checks what was asked for.
///
/// # Errors
/// What is wrong, and what would work.
pub(super) fn check(command: &Command) -> Result<(), String> {
    match command {
        Command::Record(capture, _) | Command::Stat(capture, _) | Command::Trace(capture) => {
            room(capture)
        }
        Command::Report(options) => order(options).and_then(|()| window(&options.filter)),
        Command::Export(options) => window(&options.filter),
        Command::Diff(_) | Command::Explain { .. } | Command::Doctor { .. } => Ok(()),
    }
}

fn room(capture: &CaptureOptions) -> Result<(), String> {
    let copies = capture.stacks == Some(CallGraph::Dwarf);
    match capture.ring_bytes {
        Some(bytes) if copies && bytes < SMALLEST_FOR_COPIES => Err(format!(
            "--buffer {bytes} is too small for the copies of stacks that --call-graph dwarf takes: \
             give it {}KiB or more",
            SMALLEST_FOR_COPIES >> 10
        )),
        _ => Ok(()),
    }
}

fn order(options: &ReportOptions) -> Result<(), String> {
    let by = options.by.unwrap_or(By::Class);
    match options.sort {
        Some(SortBy::Inclusive) if by != By::Function => Err(
            "--sort inclusive is for --by function, which alone knows what a function called; try \
             --sort count or --sort time"
                .to_owned(),
        ),
        Some(SortBy::Start) if by != By::Time => Err(
            "--sort start is for --by time, whose rows alone have a start; try --sort count or \
             --sort time"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

fn window(filter: &Filter) -> Result<(), String> {
    let (mut from, mut until) = (None, None);
    for condition in filter.conditions() {
        match condition {
            Condition::From(moment) => from = Some(*moment),
            Condition::Until(moment) => until = Some(*moment),
            _ => {}
        }
    }
    match (from, until) {
        (Some(from), Some(until)) if from >= until => Err(format!(
            "no fault lies between --from {} and --until {}: --from must be the earlier",
            write_duration(&from),
            write_duration(&until)
        )),
        (_, Some(until)) if until.is_zero() => {
            Err("no fault lies before --until 0s, the start of the run".to_owned())
        }
        _ => Ok(()),
    }
}
