//! The arguments, declared for clap.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use fault_trace_common::{Class, Family};

use super::{
    selection::{
        ExportName, GraphName, HistogramName, SelectionArguments, SymbolArguments, ViewArguments,
        WeightName,
    },
    values,
};
use crate::options::{
    CallGraph, CaptureOptions, Command, DiffOptions, Evidence, ExportOptions, Filter, Format, Mode,
    RecordOptions, ReportOptions, StatOptions, Target,
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
    /// Record every fault into a directory; ends with a summary
    #[command(after_help = "Examples:
  fault-trace record -- ls -lR /usr/share
  fault-trace record -p 1234 --duration 10s -o service.ftrace
  fault-trace record --all --family swap --duration 1m")]
    Record {
        #[command(flatten)]
        capture: Capture,
        #[command(flatten)]
        events: Events,
        /// The recording's directory [default: COMMAND-TIME.ftrace]
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Replace the recording that DIR holds
        #[arg(long)]
        overwrite: bool,
        /// The form of the summary
        #[arg(long, value_enum, default_value_t = FormatName::Text)]
        format: FormatName,
    },
    /// Count faults by class, in the kernel alone: the lowest cost
    Stat {
        #[command(flatten)]
        capture: Capture,
        /// Print the totals so far every T
        #[arg(short, long, value_name = "T", value_parser = values::duration)]
        interval: Option<Duration>,
        /// The file to write the totals to [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The form of the totals
        #[arg(long, value_enum, default_value_t = FormatName::Text)]
        format: FormatName,
    },
    /// Print a line for every fault, live
    Trace {
        #[command(flatten)]
        capture: Capture,
        #[command(flatten)]
        events: Events,
    },
    /// Report on a recording
    #[command(after_help = "Examples:
  fault-trace report service.ftrace
  fault-trace report service.ftrace --by function --sort time
  fault-trace report service.ftrace --by file --family demand --from 10s --until 20s
  fault-trace report service.ftrace --process postgres --min-latency 1ms --by stack
  fault-trace report service.ftrace --slowest 10
  fault-trace report monday.ftrace tuesday.ftrace --histogram linear")]
    Report {
        /// The recording's directory; the totals of several are added up
        #[arg(value_name = "DIR", required = true)]
        recordings: Vec<PathBuf>,
        /// List the N slowest faults, and what their threads did at the time
        #[arg(long, value_name = "N", conflicts_with_all = ["by", "sort", "limit"],
            value_parser = values::faults)]
        slowest: Option<usize>,
        /// How the summary draws the latencies
        #[arg(long, value_enum, default_value_t = HistogramName::Log)]
        histogram: HistogramName,
        #[command(flatten)]
        view: ViewArguments,
        #[command(flatten)]
        selection: SelectionArguments,
        #[command(flatten)]
        symbols: SymbolArguments,
        /// The form of the report
        #[arg(long, value_enum, default_value_t = FormatName::Text)]
        format: FormatName,
    },
    /// Write a recording's faults in another form
    #[command(after_help = "Examples:
  fault-trace export service.ftrace --to jsonl | jq .class
  fault-trace export service.ftrace --to flamegraph --weight time -o faults.svg
  fault-trace export service.ftrace --to folded --family cow -o cow.folded")]
    Export {
        /// The recording's directory
        #[arg(value_name = "DIR")]
        recording: PathBuf,
        /// The form
        #[arg(long, value_enum)]
        to: ExportName,
        /// What the widths of a flame graph stand for
        #[arg(long, value_enum, default_value_t = WeightName::Count)]
        weight: WeightName,
        /// The file to write [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        selection: SelectionArguments,
        #[command(flatten)]
        symbols: SymbolArguments,
    },
    /// Compare two recordings
    #[command(after_help = "Examples:
  fault-trace diff before.ftrace after.ftrace
  fault-trace diff before.ftrace after.ftrace --to flamegraph -o diff.svg")]
    Diff {
        /// The recording to compare with
        #[arg(value_name = "A")]
        before: PathBuf,
        /// The recording to look at
        #[arg(value_name = "B")]
        after: PathBuf,
        /// Compare stacks instead of classes
        #[arg(long, value_enum)]
        to: Option<GraphName>,
        /// What the widths of a flame graph stand for
        #[arg(long, value_enum, default_value_t = WeightName::Count)]
        weight: WeightName,
        /// The file to write [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        symbols: SymbolArguments,
    },
    /// Explain a page-fault error code, or a line of the kernel's log about a bad access
    #[command(after_help = "Examples:
  fault-trace explain 0x6
  fault-trace explain 'foo[123]: segfault at 10 ip 55d0c0de sp 7ffd0 error 6 in foo[55d0c000+1000]'
  dmesg | tail -5 | fault-trace explain -")]
    Explain {
        /// The code or the line; `-` reads standard input
        #[arg(required = true, value_name = "CODE|LINE")]
        input: Vec<String>,
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
    /// Tell what this machine allows, what is missing, and the remedy
    Doctor {
        /// Answer in JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Capture {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    filter: FilterArguments,
    /// Stop after T
    #[arg(long, value_name = "T", value_parser = values::duration, help_heading = "Capture")]
    duration: Option<Duration>,
    /// How much evidence to gather: core leaves out sleep, I/O, locks and reclaim, and costs less
    #[arg(long, value_enum, default_value_t = EvidenceName::Full, help_heading = "Capture")]
    evidence: EvidenceName,
}

/// What only commands that record single faults take.
#[derive(Args)]
struct Events {
    /// Record only faults that took at least T; totals still hold all
    #[arg(long, value_name = "T", value_parser = values::duration, help_heading = "Filter")]
    min_latency: Option<Duration>,
    /// Record only one in N faults; totals still hold all
    #[arg(long, value_name = "1/N", value_parser = values::fraction, help_heading = "Filter")]
    sample: Option<u32>,
    /// Take the stack of each recorded fault: the same as --call-graph fp
    #[arg(short = 'g', long, help_heading = "Capture")]
    stacks: bool,
    /// How to find the callers: fp follows frame pointers; dwarf copies 8 KiB of stack with each
    /// fault, costs more, and needs no frame pointers
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Capture")]
    call_graph: Option<CallGraphName>,
    /// The size of the buffer between kernel and recorder [default: 16MiB; 128MiB with --call-graph
    /// dwarf]
    #[arg(long, value_name = "SIZE", value_parser = values::ring_bytes, help_heading = "Capture")]
    buffer: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum CallGraphName {
    Fp,
    Dwarf,
}

#[derive(Clone, Copy, ValueEnum)]
enum EvidenceName {
    Full,
    Core,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct TargetArguments {
    /// Trace processes with all their threads, and the children they fork from now on
    #[arg(short, long, value_name = "PID,…", value_delimiter = ',', help_heading = "Target",
        value_parser = clap::value_parser!(u32).range(1..))]
    pid: Vec<u32>,
    /// Trace single threads
    #[arg(short, long, value_name = "TID,…", value_delimiter = ',', help_heading = "Target",
        value_parser = clap::value_parser!(u32).range(1..))]
    tid: Vec<u32>,
    /// Trace the threads in a cgroup (version 2) and below it
    #[arg(long, value_name = "PATH", help_heading = "Target")]
    cgroup: Option<PathBuf>,
    /// Trace the threads of a user, by name or number
    #[arg(short, long, value_name = "USER", help_heading = "Target")]
    user: Option<String>,
    /// Trace the threads of this name, as `ps -eLo comm` shows it
    #[arg(long, value_name = "NAME", help_heading = "Target", value_parser = values::comm)]
    comm: Option<String>,
    /// Trace the whole machine
    #[arg(short, long, help_heading = "Target")]
    all: bool,
    /// Launch a command and trace it and its children; its exit status is passed on
    #[arg(last = true, value_name = "COMMAND", help_heading = "Target")]
    command: Vec<OsString>,
}

#[derive(Args)]
struct FilterArguments {
    /// Only faults of these classes
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',', value_parser = values::class,
        help_heading = "Filter")]
    class: Vec<Class>,
    /// Only faults of these families
    #[arg(long, value_name = "FAMILY,…", value_delimiter = ',', value_parser = values::family,
        help_heading = "Filter")]
    family: Vec<Family>,
    /// Only faults at addresses from LO to below HI
    #[arg(long, value_name = "LO-HI", value_parser = values::addresses, help_heading = "Filter")]
    address: Option<(u64, u64)>,
    /// Only accesses made in this mode
    #[arg(long, value_enum, help_heading = "Filter")]
    mode: Option<ModeName>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ModeName {
    User,
    Kernel,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    Text,
    Json,
    Csv,
    Markdown,
}

impl Arguments {
    pub(super) fn into_command(self) -> Command {
        match self.command {
            Subcommands::Record {
                capture,
                events,
                output,
                overwrite,
                format,
            } => Command::Record(
                capture.into_options(Some(&events)),
                RecordOptions {
                    output,
                    overwrite,
                    format: format.into(),
                },
            ),
            Subcommands::Stat {
                capture,
                interval,
                output,
                format,
            } => Command::Stat(
                capture.into_options(None),
                StatOptions {
                    interval,
                    output,
                    format: format.into(),
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
                selection,
                symbols,
                format,
            } => Command::Report(ReportOptions {
                recordings,
                slowest,
                histogram: histogram.into(),
                by: view.by.map(Into::into),
                sort: view.sort.map(Into::into),
                limit: view.limit,
                selection: selection.into(),
                debug_directories: symbols.debug_dir,
                format: format.into(),
            }),
            Subcommands::Export {
                recording,
                to,
                weight,
                output,
                selection,
                symbols,
            } => Command::Export(ExportOptions {
                recording,
                format: to.into(),
                weight: weight.into(),
                selection: selection.into(),
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
                graph: to.map(Into::into),
                weight: weight.into(),
                debug_directories: symbols.debug_dir,
                output,
            }),
            Subcommands::Explain { input, json } => Command::Explain {
                input: input.join(" "),
                json,
            },
            Subcommands::Doctor { json } => Command::Doctor { json },
        }
    }
}

impl Events {
    fn ring_bytes(&self) -> u32 {
        const FOR_RECORDS: u32 = 16 << 20;
        const FOR_COPIES_OF_STACKS: u32 = 128 << 20;
        self.buffer.unwrap_or(match self.call_graph() {
            Some(CallGraph::Dwarf) => FOR_COPIES_OF_STACKS,
            Some(CallGraph::FramePointers) | None => FOR_RECORDS,
        })
    }

    fn call_graph(&self) -> Option<CallGraph> {
        match self.call_graph {
            Some(CallGraphName::Dwarf) => Some(CallGraph::Dwarf),
            Some(CallGraphName::Fp) => Some(CallGraph::FramePointers),
            None => self.stacks.then_some(CallGraph::FramePointers),
        }
    }
}

impl Capture {
    /// Without `events` nothing is recorded, only counted.
    fn into_options(self, events: Option<&Events>) -> CaptureOptions {
        CaptureOptions {
            target: self.target.into(),
            filter: Filter {
                min_latency: events.and_then(|events| events.min_latency),
                sample: events.and_then(|events| events.sample),
                ..self.filter.into()
            },
            duration: self.duration,
            ring_bytes: events.map(Events::ring_bytes),
            stacks: events.and_then(Events::call_graph),
            evidence: match self.evidence {
                EvidenceName::Full => Evidence::Full,
                EvidenceName::Core => Evidence::Core,
            },
        }
    }
}

impl From<TargetArguments> for Target {
    /// clap has seen to it that there is exactly one.
    fn from(target: TargetArguments) -> Self {
        if !target.command.is_empty() {
            Self::Launch(target.command)
        } else if !target.pid.is_empty() {
            Self::Processes(target.pid)
        } else if !target.tid.is_empty() {
            Self::Threads(target.tid)
        } else if let Some(path) = target.cgroup {
            Self::Cgroup(path)
        } else if let Some(user) = target.user {
            Self::User(user)
        } else if let Some(comm) = target.comm {
            Self::Comm(comm)
        } else {
            Self::All
        }
    }
}

impl From<FilterArguments> for Filter {
    fn from(filter: FilterArguments) -> Self {
        Self {
            classes: filter.class,
            families: filter.family,
            addresses: filter.address,
            mode: filter.mode.map(Into::into),
            min_latency: None,
            sample: None,
        }
    }
}

impl From<ModeName> for Mode {
    fn from(mode: ModeName) -> Self {
        match mode {
            ModeName::User => Self::User,
            ModeName::Kernel => Self::Kernel,
        }
    }
}

impl From<FormatName> for Format {
    fn from(format: FormatName) -> Self {
        match format {
            FormatName::Text => Self::Text,
            FormatName::Json => Self::Json,
            FormatName::Csv => Self::Csv,
            FormatName::Markdown => Self::Markdown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        super::super::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_declaration_is_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_command_is_taken_as_it_is() {
        let Ok(Command::Record(capture, _)) = parse("fault-trace record -- ls -lR --all") else {
            panic!("not a record command");
        };
        assert_eq!(
            capture.target,
            Target::Launch(["ls", "-lR", "--all"].map(OsString::from).to_vec())
        );
    }

    #[test]
    fn a_target_is_needed_and_only_one() {
        for wrong in [
            "record",
            "record -a -p 1",
            "stat -p 1 -- ls",
            "trace -t 1 -a",
            "record -p 0",
        ] {
            assert!(parse(&format!("fault-trace {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_are_split_at_commas() {
        let Ok(Command::Stat(capture, _)) =
            parse("fault-trace stat -p 1,2 -p 3 --class cow-anon,swap-in --family cow")
        else {
            panic!("not a stat command");
        };
        assert_eq!(capture.target, Target::Processes(vec![1, 2, 3]));
        assert_eq!(capture.filter.classes, vec![Class::CowAnon, Class::SwapIn]);
        assert_eq!(capture.filter.families, vec![Family::Cow]);
    }
}
