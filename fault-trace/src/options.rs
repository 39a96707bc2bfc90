//! What the user asked for, as plain values: the command line is one way to fill them in.

mod check;
mod target;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use crate::{
    analysis::{
        Scale, Weight,
        view::{By, SortBy},
    },
    choice::choices,
    export::ExportFormat,
    filter::Filter,
};

/// A command of fault-trace with its options.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    Record(CaptureOptions, RecordOptions),
    Stat(CaptureOptions, StatOptions),
    Trace(CaptureOptions),
    Report(ReportOptions),
    Export(ExportOptions),
    Diff(DiffOptions),
    Explain { input: String, json: bool },
    Doctor { json: bool, calibrate: bool },
}

/// Whose faults to capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A command to launch, with its arguments, and its children.
    Launch(Vec<OsString>),
    /// Running processes, and their descendants.
    Processes(Vec<u32>),
    /// Single threads.
    Threads(Vec<u32>),
    /// The threads in a cgroup and below it: a folder of the cgroup file system, or its path below
    /// the root of the hierarchy.
    Cgroup(PathBuf),
    /// The threads of a user: a name or a number.
    User(String),
    /// The threads of this name.
    Comm(String),
    /// The whole machine.
    All,
}

/// What every capturing command needs to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaptureOptions {
    pub target: Target,
    pub filter: Filter,
    /// Whether the descendants of processes are traced, living ones and those to come.
    pub children: bool,
    /// Show the anomalies that the eBPF programs meet.
    pub debug_ebpf: bool,
    /// Trace on while descendants of the command or of the processes live.
    pub wait: bool,
    /// Stop after so long.
    pub duration: Option<Duration>,
    /// The size of the ring buffer, bytes, a power of two; `None` only counts.
    pub ring_bytes: Option<u32>,
    pub evidence: Evidence,
    /// Take the stack of each recorded fault.
    pub stacks: Option<CallGraph>,
}

choices! {
    /// How the calls that led to a fault are found.
    pub enum CallGraph {
        FramePointers "fp",
        Dwarf "dwarf",
    }
}

choices! {
    /// How much evidence to gather about each fault.
    pub enum Evidence {
        Full "full",
        Core "core",
    }
}

/// Where and how to record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordOptions {
    /// The recording's directory; `None`: a name made of the command and the time.
    pub output: Option<PathBuf>,
    /// Replace a recording that is there already.
    pub overwrite: bool,
    /// Measure afterwards what a fault costs and what tracing adds.
    pub calibrate: bool,
    pub format: Format,
}

/// How to count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatOptions {
    /// Print the totals so far every so often.
    pub interval: Option<Duration>,
    /// Measure afterwards what a fault costs and what tracing adds.
    pub calibrate: bool,
    pub format: Format,
    /// The file for the totals; `None`: standard output, which the command shares.
    pub output: Option<PathBuf>,
}

/// How to report on a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportOptions {
    /// Several are added up.
    pub recordings: Vec<PathBuf>,
    /// `None`: the exact totals by class, unless something else asks for single faults.
    pub by: Option<By>,
    pub sort: Option<SortBy>,
    /// Rows at most; 0 for all.
    pub limit: Option<usize>,
    pub filter: Filter,
    /// List so many of the slowest faults instead.
    pub slowest: Option<usize>,
    /// How the latencies of the summary are drawn; `None`: over a logarithmic axis.
    pub histogram: Option<Scale>,
    /// Where to look for names beside the usual folders.
    pub debug_directories: Vec<PathBuf>,
    pub format: Format,
}

choices! {
    /// The form of a report.
    pub enum Format {
        Text "text",
        Json "json",
        Csv "csv",
        Markdown "markdown",
    }
}

/// How to export a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportOptions {
    pub recording: PathBuf,
    pub format: ExportFormat,
    /// Of folded stacks and flame graphs; `None`: faults.
    pub weight: Option<Weight>,
    pub filter: Filter,
    /// Where to look for names beside the usual folders.
    pub debug_directories: Vec<PathBuf>,
    /// `None`: standard output.
    pub output: Option<PathBuf>,
}

/// How to compare two recordings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiffOptions {
    pub before: PathBuf,
    pub after: PathBuf,
    /// `None`: a table by class.
    pub graph: Option<ExportFormat>,
    /// Of folded stacks and flame graphs; `None`: faults.
    pub weight: Option<Weight>,
    /// Where to look for names beside the usual folders.
    pub debug_directories: Vec<PathBuf>,
    /// `None`: standard output.
    pub output: Option<PathBuf>,
}
