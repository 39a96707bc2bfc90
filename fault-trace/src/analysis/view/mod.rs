//! The recorded faults of a run, grouped by what is asked for: one pass in bounded memory.

mod buckets;
mod builder;
mod group;
mod groups;
mod inclusive;
mod key;
mod row;
mod subject;

pub use builder::ViewBuilder;
pub use group::Figures;
pub use row::{FileRow, FrameRow, Hex, Inclusive, MappingSubject, Name, Row, Subject};

use serde::{Serialize, Serializer};

use super::{filter::FaultFilter, sampling::Sampling, tables::Tables};

/// What the faults are grouped by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
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

impl By {
    /// Every view.
    pub const ALL: [Self; 10] = [
        Self::Class,
        Self::Process,
        Self::Thread,
        Self::Function,
        Self::Stack,
        Self::File,
        Self::Mapping,
        Self::Page,
        Self::Cgroup,
        Self::Time,
    ];

    /// The name used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Process => "process",
            Self::Thread => "thread",
            Self::Function => "function",
            Self::Stack => "stack",
            Self::File => "file",
            Self::Mapping => "mapping",
            Self::Page => "page",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }
}

impl Serialize for By {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortBy {
    Count,
    /// The sum of the latencies.
    Time,
    P99,
    /// Pages made resident.
    Pages,
    /// Faults of a function and all it called.
    Inclusive,
    /// What happened first.
    Start,
}

impl SortBy {
    /// The name used in every output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Time => "time",
            Self::P99 => "p99",
            Self::Pages => "pages",
            Self::Inclusive => "inclusive",
            Self::Start => "start",
        }
    }
}

impl Serialize for SortBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What a view is to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ViewOptions {
    pub by: By,
    pub sort: SortBy,
    /// Rows at most; the others are added up in one.
    pub limit: usize,
    pub filter: FaultFilter,
}

/// Groups of faults.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct View {
    pub by: By,
    pub sort: SortBy,
    /// As on the command line.
    pub filters: Vec<String>,
    /// Faults in this view.
    pub faults: u64,
    /// Recorded faults.
    pub of: u64,
    /// Faults without a stack; only where stacks are looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_stack: Option<u64>,
    /// Faults whose stack seems to be cut off, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated_stacks: Option<u64>,
    /// Groups there are, those that found no room left out.
    pub groups: u64,
    /// Faults that found no room in a group: they are in `rest`.
    pub ungrouped: u64,
    /// Rows of mappings, functions, names and the like for which there was no room.
    pub not_kept: u64,
    /// Where the recorded faults are a random sample of the run's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// All of them together.
    pub total: Figures,
    pub rows: Vec<Row>,
    /// Together, the groups that are not shown.
    pub rest: Option<Rest>,
}

/// The groups that are not shown.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Rest {
    pub groups: u64,
    #[serde(flatten)]
    pub figures: Figures,
}

/// A recording lacks what a view shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Missing {
    #[error("the recording holds no stacks; record with -g to get them")]
    Stacks,
    #[error(
        "the recording does not tell where the faulting instructions are: it was made by an older \
         version of fault-trace; record again"
    )]
    Locations,
    #[error(
        "the recording holds no mappings: it was made by an older version of fault-trace; record again"
    )]
    Mappings,
    #[error(
        "the recording does not tell the cgroups of threads: it was made by an older version of \
         fault-trace; record again"
    )]
    Cgroups,
}

/// Whether `tables` have what a view by `by` needs. Pages and mappings alone stay unknown where single
/// faults lack them.
///
/// # Errors
/// What is missing altogether.
pub fn require(by: By, tables: &Tables) -> Result<(), Missing> {
    let missing = match by {
        By::Class | By::Process | By::Thread | By::Page | By::Time => return Ok(()),
        By::Function => (!tables.has_locations()).then_some(Missing::Locations),
        By::Stack => (!tables.has_stacks()).then_some(Missing::Stacks),
        By::File | By::Mapping => (!tables.has_mappings()).then_some(Missing::Mappings),
        By::Cgroup => (!tables.has_cgroups()).then_some(Missing::Cgroups),
    };
    missing.map_or(Ok(()), Err)
}

/// A stretch of time, cut into slots of equal length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// First moment, ns of CLOCK_MONOTONIC.
    pub from_ns: u64,
    /// The first beyond.
    pub to_ns: u64,
    pub slot_ns: u64,
}

impl Window {
    /// The stretch in at most `slots` slots of 1, 2 or 5 units each.
    #[must_use]
    pub fn new(from_ns: u64, to_ns: u64, slots: usize) -> Self {
        let length_ns = to_ns.saturating_sub(from_ns).max(1);
        let shortest_ns = length_ns.div_ceil(slots.max(1) as u64);
        let mut slot_ns = 1_u64;
        for step in [2, 5, 10].into_iter().cycle() {
            if slot_ns >= shortest_ns || slot_ns > 1 << 60 {
                break;
            }
            // 1, 2, 5, 10, 20, …
            slot_ns = match step {
                2 => slot_ns * 2,
                5 => slot_ns / 2 * 5,
                _ => slot_ns * 2,
            };
        }
        Self {
            from_ns,
            to_ns: to_ns.max(from_ns + 1),
            slot_ns,
        }
    }

    /// The slot of a moment; what lies outside counts for the first or the last.
    #[must_use]
    pub fn slot(&self, time_ns: u64) -> u64 {
        let within = time_ns.clamp(self.from_ns, self.to_ns - 1) - self.from_ns;
        within / self.slot_ns
    }
}

#[cfg(test)]
pub(crate) mod made_up;
#[cfg(test)]
mod tests;
