//! What makes a form in which faults are exported.

use std::io::{self, Write};

use fault_trace_analysis::{Folded, Tables, Weight};
use fault_trace_filter::FaultFilter;
use fault_trace_model::{Fault, Fields, Run};

/// Files by their names.
pub type Files = Vec<(String, String)>;

/// A form of recorded faults.
pub struct Definition {
    /// The name on the command line.
    pub name: &'static str,
    /// One line about it.
    pub meaning: &'static str,
    /// Whether it adds up stacks, by a weight.
    pub has_stacks: bool,
    /// Whether it names code and memory.
    pub has_names: bool,
    /// Writes the faults.
    pub write: fn(&Source<'_>, &mut dyn Write) -> io::Result<()>,
    /// Makes several files instead, each with its name; where the form has a way to do so.
    pub files: Option<fn(&Source<'_>) -> io::Result<Files>>,
    /// The form of what differs between two recordings, where there is one.
    pub compares: Option<Comparison>,
}

/// A form of what differs between two recordings.
pub struct Comparison {
    /// One line about it.
    pub meaning: &'static str,
    /// Writes how the stacks of the second, which is of that run, differ from those of the first.
    pub write: fn([&Folded; 2], &Run, Weight, &mut dyn Write) -> io::Result<()>,
}

/// Reads the recorded faults batch by batch, of which only those fields are known, beside those that the
/// filter looks at. Returns how many were passed over because the filter refuses them.
pub type Batches<'a> =
    dyn Fn(Fields, &mut dyn FnMut(&[Fault]) -> io::Result<()>) -> io::Result<u64> + 'a;

/// The faults to export.
pub struct Source<'a> {
    pub run: &'a Run,
    /// What the faults refer to.
    pub tables: &'a Tables,
    pub filter: &'a FaultFilter,
    /// Of stacks.
    pub weight: Weight,
    pub batches: &'a Batches<'a>,
}

impl Source<'_> {
    /// Hands out each fault that passes the filter.
    pub(super) fn each(
        &self,
        fields: Fields,
        mut take: impl FnMut(&Fault) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut batch = |batch: &[Fault]| {
            let mut admitted = batch.iter().filter(|fault| self.filter.admits(fault));
            admitted.try_for_each(&mut take)
        };
        (self.batches)(fields, &mut batch).map(drop)
    }
}
