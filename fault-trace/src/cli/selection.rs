//! The arguments that choose among recorded faults, and how they are grouped.

use std::time::Duration;

use clap::{Args, ValueEnum};
use fault_trace_common::{Class, Family};

use super::{arguments::ModeName, values};
use crate::{
    analysis::view::{By, SortBy},
    options::{ProcessName, Selection},
};

#[derive(Args)]
pub(super) struct ViewArguments {
    /// Group the recorded faults [default: the exact totals by class]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) by: Option<ByName>,
    /// What comes first [default: count; by time: start]
    #[arg(long, value_enum, value_name = "FIGURE")]
    pub(super) sort: Option<SortName>,
    /// Show at most N rows and the sum of the others; 0 shows all [default: 20]
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
}

#[derive(Args)]
pub(super) struct SelectionArguments {
    /// Only faults of these classes
    #[arg(long, value_name = "CLASS,…", value_delimiter = ',', value_parser = values::class,
        help_heading = "Filter")]
    class: Vec<Class>,
    /// Only faults of these families
    #[arg(long, value_name = "FAMILY,…", value_delimiter = ',', value_parser = values::family,
        help_heading = "Filter")]
    family: Vec<Family>,
    /// Only faults of these processes, by id or name
    #[arg(long, value_name = "PID|NAME,…", value_delimiter = ',', value_parser = values::process,
        help_heading = "Filter")]
    process: Vec<ProcessName>,
    /// Only accesses made in this mode
    #[arg(long, value_enum, help_heading = "Filter")]
    mode: Option<ModeName>,
    /// Only faults that took at least T
    #[arg(long, value_name = "T", value_parser = values::duration, help_heading = "Filter")]
    min_latency: Option<Duration>,
    /// Only faults at addresses from LO to below HI
    #[arg(long, value_name = "LO-HI", value_parser = values::addresses, help_heading = "Filter")]
    address: Option<(u64, u64)>,
    /// Only faults that started T after the start of the run, or later
    #[arg(long, value_name = "T", value_parser = values::moment, help_heading = "Filter")]
    from: Option<Duration>,
    /// Only faults that started less than T after the start of the run
    #[arg(long, value_name = "T", value_parser = values::moment, help_heading = "Filter")]
    to: Option<Duration>,
}

impl From<SelectionArguments> for Selection {
    fn from(arguments: SelectionArguments) -> Self {
        Self {
            classes: arguments.class,
            families: arguments.family,
            processes: arguments.process,
            mode: arguments.mode.map(Into::into),
            min_latency: arguments.min_latency,
            addresses: arguments.address,
            from: arguments.from,
            to: arguments.to,
        }
    }
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
    /// Faults
    Count,
    /// Sum of the latencies
    Time,
    /// 99th percentile of the latencies
    P99,
    /// Pages made resident
    Pages,
    /// Faults of a function and of all it called
    Inclusive,
    /// What happened first
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
