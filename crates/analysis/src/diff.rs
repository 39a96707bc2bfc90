//! Two runs, class by class.

use fault_trace_common::Class;

use super::{Report, Tally};

/// What changed between two runs.
#[derive(Clone, PartialEq, Debug)]
pub struct Diff<'a> {
    pub before: &'a Report,
    pub after: &'a Report,
    /// The classes that either has, in the order of `Class::ALL`.
    pub classes: Vec<DiffRow<'a>>,
}

/// A class in both runs; `None` in the one that did not see it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DiffRow<'a> {
    pub class: Class,
    pub before: Option<&'a Tally>,
    pub after: Option<&'a Tally>,
}

impl<'a> Diff<'a> {
    /// The change from `before` to `after`.
    #[must_use]
    pub fn new(before: &'a Report, after: &'a Report) -> Self {
        let find = |report: &'a Report, class| {
            let row = report.classes.iter().find(|row| row.class == class);
            row.map(|row| &row.tally)
        };
        let row = |class| DiffRow {
            class,
            before: find(before, class),
            after: find(after, class),
        };
        let seen = |row: &DiffRow<'_>| row.before.is_some() || row.after.is_some();
        Self {
            before,
            after,
            classes: Class::ALL.into_iter().map(row).filter(seen).collect(),
        }
    }
}
