//! The recorded faults of a run, grouped by what is asked for: one pass in bounded memory.

mod buckets;
mod builder;
pub(super) mod definition;
pub(super) mod field;
mod group;
pub(super) mod groups;
mod inclusive;
pub(super) mod keys;
pub(super) mod of;
mod row;
pub(super) mod value;
mod views;
mod window;

pub use builder::ViewBuilder;
pub use definition::{Definition, Missing, SortBy};
pub use field::{Column, Emphasis, Field};
pub use group::Figures;
pub use row::{Row, Subject};
pub use value::{FrameRow, Hex, Inclusive, Keep, Label, Name, Value};
pub use views::By;
pub use window::Window;

use serde::Serialize;

use super::sampling::Sampling;
use fault_trace_filter::FaultFilter;

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

#[cfg(any(test, feature = "sample"))]
pub mod made_up;
#[cfg(test)]
mod tests;
