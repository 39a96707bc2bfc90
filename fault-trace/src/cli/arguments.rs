//! The arguments, declared for clap.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, builder::TypedValueParser};

use super::{
    capture::{Capture, Events},
    filter::{CHOOSING, FilterArguments},
    selection::{SymbolArguments, ViewArguments},
    values,
};
use crate::{
    analysis::{Scale, Weight},
    export::ExportFormat,
    filter::duration,
    options::{
        Command, DiffOptions, ExportOptions, Format, RecordOptions, ReportOptions, StatOptions,
    },
};

/// Traces and explains the page faults of a process, a group of processes or the machine
///
/// Every page-fault exception is counted: what kind it was, how long it took, which code and which
/// memory it came from. Needs root, or CAP_BPF and CAP_PERFMON: see `fault-trace doctor`.
#[derive(Parser)]
#[command(name = "fault-trace", version, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Record every fault into a directory, and print a summary at the end
    #[command(after_help = "Examples:
  fault-trace record -- git fsck
  fault-trace record -p 1234 --duration 10s -o service.ftrace
  fault-trace record --all --family swap --duration 1m")]
    Record {
        #[command(flatten)]
        capture: Capture,
        #[command(flatten)]
        events: Events,
        /// The directory for the recording [default: COMMAND-TIME.ftrace]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Replace the recording that DIR holds
        #[arg(long)]
        overwrite: bool,
        /// Measure after the run what tracing adds to a fault, and estimate the faults without it
        #[arg(long)]
        calibrate: bool,
        /// The form of the summary
        #[arg(long, value_parser = values::choice::<Format>(), default_value = Format::Text.name())]
        format: Format,
    },
    /// Count faults by class in the kernel, at the lowest cost
    Stat {
        #[command(flatten)]
        capture: Capture,
        /// Print the totals so far every T
        #[arg(short, long, value_name = "T", value_parser = duration)]
        interval: Option<Duration>,
        /// The file to write the totals to [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Measure after the run what tracing adds to a fault, and estimate the faults without it
        #[arg(long)]
        calibrate: bool,
        /// The form of the totals
        #[arg(long, value_parser = values::choice::<Format>(), default_value = Format::Text.name())]
        format: Format,
    },
    /// Print one line per fault, live
    Trace {
        #[command(flatten)]
        capture: Capture,
        #[command(flatten)]
        events: Events,
    },
    /// Print the summary of a recording, or its faults by function, file, process, …
    #[command(after_help = "Examples:
  fault-trace report service.ftrace
  fault-trace report service.ftrace --by function --sort time
  fault-trace report service.ftrace --by file --family demand --from 10s --until 20s
  fault-trace report service.ftrace --process postgres --min-latency 1ms --by stack
  fault-trace report service.ftrace --slowest 10
  fault-trace report monday.ftrace tuesday.ftrace --histogram linear")]
    Report {
        /// The directory of the recording; the totals of several are added up
        #[arg(value_name = "DIR", required = true)]
        recordings: Vec<PathBuf>,
        /// List the N slowest faults, with the other faults of their threads at the time
        #[arg(long, value_name = "N", conflicts_with_all = ["by", "sort", "limit"],
            value_parser = values::faults)]
        slowest: Option<usize>,
        /// How the summary draws the latencies [default: log]
        #[arg(long, value_parser = values::choice::<Scale>())]
        histogram: Option<Scale>,
        #[command(flatten)]
        view: ViewArguments,
        #[command(flatten)]
        filter: FilterArguments<CHOOSING>,
        #[command(flatten)]
        symbols: SymbolArguments,
        /// The form of the report
        #[arg(long, value_parser = values::choice::<Format>(), default_value = Format::Text.name())]
        format: Format,
    },
    /// Write the faults of a recording as JSON lines, CSV, flame graph or histogram
    #[command(after_help = "Examples:
  fault-trace export service.ftrace --to jsonl | jq .class
  fault-trace export service.ftrace --to flamegraph --weight time -o faults.svg
  fault-trace export service.ftrace --to folded --family cow -o cow.folded")]
    Export {
        /// The directory of the recording
        #[arg(value_name = "DIR")]
        recording: PathBuf,
        /// The form to write
        #[arg(long, value_parser = values::choice::<ExportFormat>())]
        to: ExportFormat,
        /// What the widths of a flame graph stand for [default: count]
        #[arg(long, value_parser = values::choice::<Weight>())]
        weight: Option<Weight>,
        /// The file to write [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        filter: FilterArguments<CHOOSING>,
        #[command(flatten)]
        symbols: SymbolArguments,
    },
    /// Compare two recordings
    #[command(after_help = "Examples:
  fault-trace diff before.ftrace after.ftrace
  fault-trace diff before.ftrace after.ftrace --to flamegraph -o diff.svg")]
    Diff {
        /// The recording before
        #[arg(value_name = "A")]
        before: PathBuf,
        /// The recording after
        #[arg(value_name = "B")]
        after: PathBuf,
        /// Compare stacks instead of classes
        #[arg(long, value_parser = comparing())]
        to: Option<ExportFormat>,
        /// What the widths of a flame graph stand for [default: count]
        #[arg(long, value_parser = values::choice::<Weight>())]
        weight: Option<Weight>,
        /// The file to write [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        symbols: SymbolArguments,
    },
    /// Explain a class or another name in the output, a page-fault error code, or a line of the kernel log
    #[command(after_help = "Examples:
  fault-trace explain cow-anon
  fault-trace explain 0x6
  fault-trace explain 'foo[123]: segfault at 10 ip 55d0c0de sp 7ffd0 error 6 in foo[55d0c000+1000]'
  dmesg | tail -5 | fault-trace explain -")]
    Explain {
        /// The name, the code or the line; `-` reads standard input
        #[arg(required = true, value_name = "NAME|CODE|LINE")]
        input: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what this machine supports, what is missing, and how to get it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Measure how long a fault takes, how much of it is reported, and what tracing adds
        #[arg(long)]
        calibrate: bool,
    },
}

/// The forms that two recordings can be compared in.
fn comparing() -> impl TypedValueParser<Value = ExportFormat> {
    let meaning = |format: ExportFormat| {
        let compares = format.definition().compares.as_ref();
        compares.map_or("", |compares| compares.meaning)
    };
    let forms = ExportFormat::ALL.into_iter();
    let forms = forms.filter(|format| format.definition().compares.is_some());
    values::one_of(forms, meaning)
}

impl Arguments {
    pub(super) fn into_command(self) -> Command {
        match self.command {
            Subcommands::Record {
                capture,
                events,
                output,
                overwrite,
                calibrate,
                format,
            } => Command::Record(
                capture.into_options(Some(&events)),
                RecordOptions {
                    output,
                    overwrite,
                    calibrate,
                    format,
                },
            ),
            Subcommands::Stat {
                capture,
                interval,
                output,
                calibrate,
                format,
            } => Command::Stat(
                capture.into_options(None),
                StatOptions {
                    interval,
                    output,
                    calibrate,
                    format,
                },
            ),
            Subcommands::Trace { capture, events } => {
                Command::Trace(capture.into_options(Some(&events)))
            }
            Subcommands::Report {
                recordings,
                slowest,
                histogram,
                view,
                filter,
                symbols,
                format,
            } => Command::Report(ReportOptions {
                recordings,
                slowest,
                histogram,
                by: view.by,
                sort: view.sort,
                limit: view.limit,
                filter: filter.into_filter(),
                debug_directories: symbols.debug_dir,
                format,
            }),
            Subcommands::Export {
                recording,
                to,
                weight,
                output,
                filter,
                symbols,
            } => Command::Export(ExportOptions {
                recording,
                format: to,
                weight,
                filter: filter.into_filter(),
                debug_directories: symbols.debug_dir,
                output,
            }),
            Subcommands::Diff {
                before,
                after,
                to,
                weight,
                output,
                symbols,
            } => Command::Diff(DiffOptions {
                before,
                after,
                graph: to,
                weight,
                debug_directories: symbols.debug_dir,
                output,
            }),
            Subcommands::Explain { input, json } => Command::Explain {
                input: input.join(" "),
                json,
            },
            Subcommands::Doctor { json, calibrate } => Command::Doctor { json, calibrate },
        }
    }
}

#[cfg(test)]
mod tests;
