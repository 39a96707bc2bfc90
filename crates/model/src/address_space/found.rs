//! What a look-up tells.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Mapping;

/// How well a mapping is known at the time of a look-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certainty {
    /// A later snapshot still shows it.
    Confirmed,
    /// A record or snapshot told of it. It may have been unmapped or moved since, which nothing
    /// reports.
    Reported,
    /// A later snapshot shows something else, records are missing, or the history is forgotten.
    Uncertain,
}

/// What a look-up finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found<'a> {
    /// As it was made: parts of it may belong to newer mappings.
    pub mapping: &'a Arc<Mapping>,
    /// Since when it is known, ns of CLOCK_MONOTONIC.
    pub since_ns: u64,
    pub certainty: Certainty,
    /// The address lay below the stack, which grows to hold it if the fault completes.
    pub grew: bool,
}

/// Where and from when on look-ups find the same, until the address space changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Steady {
    /// The first address, and the first beyond.
    pub addresses: (u64, u64),
    /// ns of CLOCK_MONOTONIC; for [`Spaces::lookup_fault`](crate::spaces::Spaces::lookup_fault), too.
    pub from_ns: u64,
    pub since_ns: u64,
    pub certainty: Certainty,
}

/// What was lost to the bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Dropped {
    /// Changes forgotten before their time.
    pub changes: u64,
    /// Pieces evicted.
    pub pieces: u64,
}
