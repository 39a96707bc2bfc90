//! Options that are right by themselves and make no sense together.

use std::path::PathBuf;

use fault_trace_common::wire::STACK_COPY_BYTES;

use super::{CallGraph, CaptureOptions, Command, Format, ReportOptions};
use crate::{
    analysis::{
        Weight,
        view::{By, SortBy},
    },
    export::ExportFormat,
    filter::{Condition, Filter, write_duration},
};

/// Room for a few copies of stacks, bytes: the kernel takes no record that is as long as the buffer.
const SMALLEST_FOR_COPIES: u32 = (8 * STACK_COPY_BYTES) as u32;

impl Command {
    /// Checks the options that are right by themselves, but may make no sense together.
    ///
    /// # Errors
    /// What is wrong, and what would work.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Record(capture, _) | Self::Stat(capture, _) | Self::Trace(capture) => {
                room(capture)
            }
            Self::Report(options) => order(options)
                .and_then(|()| drawing(options))
                .and_then(|()| window(&options.filter)),
            Self::Export(options) => weight(Some(options.format), options.weight)
                .and_then(|()| names(Some(options.format), &options.debug_directories))
                .and_then(|()| window(&options.filter)),
            Self::Diff(options) => weight(options.graph, options.weight)
                .and_then(|()| names(options.graph, &options.debug_directories)),
            Self::Explain { .. } | Self::Doctor { .. } => Ok(()),
        }
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
    let view = options.by.unwrap_or(By::Class).definition();
    match options.sort {
        Some(SortBy::Inclusive) if !view.has_inclusive => Err(
            "--sort inclusive is for --by function, which alone knows what a function called; try \
             --sort count or --sort time"
                .to_owned(),
        ),
        Some(SortBy::Start) if view.sort != SortBy::Start => Err(
            "--sort start is for --by time, whose rows alone have a start; try --sort count or \
             --sort time"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Options of a summary in a report that is none, or has no room for a drawing.
fn drawing(options: &ReportOptions) -> Result<(), String> {
    let is_summary = options.by.is_none()
        && options.sort.is_none()
        && options.limit.is_none()
        && options.slowest.is_none()
        && options.filter.is_empty();
    if options.histogram.is_some() && !(is_summary && options.format == Format::Text) {
        return Err(
            "--histogram is for the summary as text: leave it out, or else --by, --sort, --limit, \
             --slowest, --format and filters"
                .to_owned(),
        );
    }
    if is_summary && !options.debug_directories.is_empty() {
        return Err(
            "--debug-dir is for reports that name functions, which the summary does not; try --by \
             function or --by stack"
                .to_owned(),
        );
    }
    Ok(())
}

fn weight(form: Option<ExportFormat>, weight: Option<Weight>) -> Result<(), String> {
    let has_stacks = form.is_some_and(|form| form.definition().has_stacks);
    if weight.is_some() && !has_stacks {
        return Err(
            "--weight is for stacks: use it with --to folded or --to flamegraph".to_owned(),
        );
    }
    Ok(())
}

fn names(form: Option<ExportFormat>, debug_directories: &[PathBuf]) -> Result<(), String> {
    let has_names = form.is_some_and(|form| form.definition().has_names);
    if debug_directories.is_empty() || has_names {
        return Ok(());
    }
    Err("--debug-dir is for forms that name functions, as --to flamegraph does".to_owned())
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
