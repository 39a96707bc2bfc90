//! The arguments that choose among recorded faults, and how they are grouped.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{
    analysis::{
        Weight,
        view::{By, SortBy},
    },
    options::{ExportFormat, GraphFormat},
    render::histogram::Scale,
};

#[derive(Args)]
pub(super) struct ViewArguments {
    /// Group the recorded faults [default: the exact totals by class]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) by: Option<ByName>,
    /// The order of the rows [default: count; by time: start]
    #[arg(long, value_enum, value_name = "FIGURE")]
    pub(super) sort: Option<SortName>,
    /// Show at most N rows and the sum of the others; 0 shows all [default: 20]
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
}

/// Where else to look for names.
#[derive(Args)]
pub(super) struct SymbolArguments {
    /// Also look for names in this folder: `.build-id/xx/yyyy.debug`, or files by their paths; can be
    /// given several times
    #[arg(long, value_name = "DIR", help_heading = "Symbols")]
    pub(super) debug_dir: Vec<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ByName {
    Class,
    Process,
    Thread,
    Function,
    Stack,
    File,
    Mapping,
    Page,
    Cgroup,
    Time,
}

impl From<ByName> for By {
    fn from(by: ByName) -> Self {
        match by {
            ByName::Class => Self::Class,
            ByName::Process => Self::Process,
            ByName::Thread => Self::Thread,
            ByName::Function => Self::Function,
            ByName::Stack => Self::Stack,
            ByName::File => Self::File,
            ByName::Mapping => Self::Mapping,
            ByName::Page => Self::Page,
            ByName::Cgroup => Self::Cgroup,
            ByName::Time => Self::Time,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum SortName {
    /// Number of faults
    Count,
    /// Sum of the latencies
    Time,
    /// 99th percentile of the latencies
    P99,
    /// Pages made resident
    Pages,
    /// Faults of a function and of everything it called
    Inclusive,
    /// Earliest first
    Start,
}

impl From<SortName> for SortBy {
    fn from(sort: SortName) -> Self {
        match sort {
            SortName::Count => Self::Count,
            SortName::Time => Self::Time,
            SortName::P99 => Self::P99,
            SortName::Pages => Self::Pages,
            SortName::Inclusive => Self::Inclusive,
            SortName::Start => Self::Start,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum ExportName {
    /// One JSON object per fault, one per line
    Jsonl,
    /// One line per fault
    Csv,
    /// Stacks with their weights as text, for other tools
    Folded,
    /// An SVG, interactive in a browser
    Flamegraph,
    /// Latencies by percentile, for HdrHistogram's plotter; with -o DIR/, also one file per class
    Hgrm,
}

impl From<ExportName> for ExportFormat {
    fn from(name: ExportName) -> Self {
        match name {
            ExportName::Jsonl => Self::Jsonl,
            ExportName::Csv => Self::Csv,
            ExportName::Folded => Self::Folded,
            ExportName::Flamegraph => Self::Flamegraph,
            ExportName::Hgrm => Self::Hgrm,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum GraphName {
    /// Stacks with both weights as text, for other tools
    Folded,
    /// An SVG, interactive in a browser: red grew, blue shrank
    Flamegraph,
}

impl From<GraphName> for GraphFormat {
    fn from(name: GraphName) -> Self {
        match name {
            GraphName::Folded => Self::Folded,
            GraphName::Flamegraph => Self::Flamegraph,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum HistogramName {
    /// Each row covers a power of two, or half of one
    Log,
    /// All rows cover ranges of the same size
    Linear,
    /// No histograms
    None,
}

impl From<HistogramName> for Option<Scale> {
    fn from(name: HistogramName) -> Self {
        match name {
            HistogramName::Log => Some(Scale::Log),
            HistogramName::Linear => Some(Scale::Linear),
            HistogramName::None => None,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum WeightName {
    /// Number of faults
    Count,
    /// Sum of their latencies, ns
    Time,
    /// Pages made resident
    Pages,
}

impl From<WeightName> for Weight {
    fn from(name: WeightName) -> Self {
        match name {
            WeightName::Count => Self::Count,
            WeightName::Time => Self::Time,
            WeightName::Pages => Self::Pages,
        }
    }
}
