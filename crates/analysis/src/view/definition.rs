//! What makes a view.

use serde::{Serialize, Serializer};

use super::{field::Field, groups::Key, keys::Keys};
use crate::Tables;
use fault_trace_model::{Fault, Fields};
use fault_trace_text::choice::choices;

/// The group of a fault, and the fault's position in a file: what the group's range is taken over.
type KeyOf = fn(&mut Keys<'_>, &Fault) -> (Key, Option<u64>);

/// A way to group faults, and what is shown of a group.
#[derive(Debug)]
pub struct Definition {
    /// The name used in every output.
    pub name: &'static str,
    /// A group and several, in words.
    pub groups: [&'static str; 2],
    /// The order of the rows unless another is asked for.
    pub sort: SortBy,
    /// Whether stacks are looked at, so that it matters which faults have none.
    pub looks_at_stacks: bool,
    /// Whether groups are functions, of which stacks tell what they called.
    pub has_inclusive: bool,
    /// The fields of a row, in the order of every format.
    pub fields: &'static [Field],
    /// What `key` looks at, and what else tells one group from another.
    pub(crate) reads: Fields,
    /// The group of a fault.
    pub(crate) key: KeyOf,
    /// What a recording must not lack.
    pub(crate) needs: Option<Missing>,
}

impl Definition {
    /// A view that needs nothing of a recording but its faults.
    pub(crate) const fn new(
        name: &'static str,
        groups: [&'static str; 2],
        reads: Fields,
        key: KeyOf,
        fields: &'static [Field],
    ) -> Self {
        Self {
            name,
            groups,
            sort: SortBy::Count,
            looks_at_stacks: false,
            has_inclusive: false,
            fields,
            reads,
            key,
            needs: None,
        }
    }
    /// Returns whether `tables` have what the view needs. Pages and mappings alone stay unknown where single
    /// faults lack them.
    ///
    /// # Errors
    /// What is missing altogether.
    pub fn require(&self, tables: &Tables) -> Result<(), Missing> {
        match self.needs {
            Some(missing) if !missing.is_in(tables) => Err(missing),
            _ => Ok(()),
        }
    }
}

choices! {
    /// What comes first.
    pub enum SortBy {
        Count "count" "Number of faults",
        Time "time" "Sum of the latencies",
        P99 "p99" "99th percentile of the latencies",
        Pages "pages" "Pages made resident",
        Inclusive "inclusive" "Faults of a function and of everything it called",
        Start "start" "Earliest first",
    }
}

impl Serialize for SortBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
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

impl Missing {
    /// Whether it is not missing.
    fn is_in(self, tables: &Tables) -> bool {
        match self {
            Self::Stacks => tables.has_stacks(),
            Self::Locations => tables.has_locations(),
            Self::Mappings => tables.has_mappings(),
            Self::Cgroups => tables.has_cgroups(),
        }
    }
}
