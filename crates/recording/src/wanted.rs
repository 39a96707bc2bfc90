//! Columns and value ranges that a reader needs: projection and predicate push-down.

use fault_trace_model::{Field, Fields};

/// The fields that are looked at, and bounds of those that are: what lies wholly outside may be passed
/// over, what is partly outside is read all the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub(super) fields: Fields,
    pub(super) bounds: Vec<Bounds>,
}

/// First and last value of a field; a fault in which it is not known lies outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bounds {
    pub(super) field: Field,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Wanted {
    /// Whole faults, all of them.
    pub const EVERYTHING: Self = Self::fields(Fields::ALL);

    /// Only these fields; the others are those of [`Fault::BLANK`](fault_trace_model::Fault::BLANK).
    #[must_use]
    pub const fn fields(fields: Fields) -> Self {
        Self {
            fields,
            bounds: Vec::new(),
        }
    }

    /// Faults whose `field` is not within `first..=last` need not be read.
    #[must_use]
    pub fn within(mut self, field: Field, first: u64, last: u64) -> Self {
        self.bounds.push(Bounds { field, first, last });
        self
    }
}
