//! The slowest recorded faults, and what else their threads did at the time.
//!
//! Two passes over the faults: [`Worst`] finds the slowest, [`Surroundings`] looks at those around them.

use std::{cmp::Reverse, collections::BinaryHeap};

use fault_trace_common::{Class, Confidence, Family, phase::Phase};
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::{
    FaultFilter, Tables,
    tables::mapping_name,
    tally::phases,
    view::{FrameRow, Hex, Name},
};
use fault_trace_model::{Fault, Field, Fields};

/// How far around a fault its thread's other faults are counted, before and after its START, ns.
pub const NEAR_NS: u64 = 10_000_000;

/// First pass: the faults with the longest latencies, in memory for as many as are wanted.
#[derive(Debug)]
pub struct Worst {
    limit: usize,
    filter: FaultFilter,
    /// The fastest of them on top; of equally slow ones the latest.
    heap: BinaryHeap<Reverse<Ranked>>,
}

/// Ordered by latency, then earliest first.
#[derive(Debug)]
struct Ranked(u64, Fault);

impl Ranked {
    const fn key(&self) -> (u64, Reverse<u64>, Reverse<u32>) {
        (self.0, Reverse(self.1.time_ns), Reverse(self.1.tid))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl Worst {
    /// What [`Worst::fault`] looks at to find the latencies alone, beside the filter.
    pub const FIELDS: Fields = Fields::of(&[Field::Latency, Field::Tid, Field::Time]);

    /// Of the faults that pass `filter`, at most `limit`.
    #[must_use]
    pub fn new(limit: usize, filter: FaultFilter) -> Self {
        Self {
            limit,
            filter,
            heap: BinaryHeap::new(),
        }
    }

    /// Takes in a fault.
    pub fn fault(&mut self, fault: &Fault) {
        let Some(latency_ns) = fault.latency_ns.filter(|_| self.filter.admits(fault)) else {
            return;
        };
        // Most are faster than all that were found.
        let is_full = self.heap.len() >= self.limit;
        if is_full && self.least_ns().is_none_or(|least_ns| latency_ns < least_ns) {
            return;
        }
        self.heap.push(Reverse(Ranked(latency_ns, *fault)));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// The shortest latency among them so far, ns; `None` without any.
    #[must_use]
    pub fn least_ns(&self) -> Option<u64> {
        let Reverse(Ranked(latency_ns, _)) = self.heap.peek()?;
        Some(*latency_ns)
    }

    /// The second pass, on the faults that were found.
    #[must_use]
    pub fn surroundings(self) -> Surroundings {
        // Ascending by `Reverse`: the slowest first.
        let worst = self.heap.into_sorted_vec();
        let found: Vec<Found> = worst
            .into_iter()
            .map(|Reverse(Ranked(_, fault))| Found {
                fault,
                near: Near::default(),
            })
            .collect();
        let mut threads: FxHashMap<(u32, u32), Vec<usize>> = FxHashMap::default();
        for (index, Found { fault, .. }) in found.iter().enumerate() {
            threads
                .entry((fault.pid, fault.tid))
                .or_default()
                .push(index);
        }
        for indices in threads.values_mut() {
            indices.sort_by_key(|&index| found[index].fault.time_ns);
        }
        Surroundings { found, threads }
    }
}

#[derive(Debug)]
struct Found {
    fault: Fault,
    near: Near,
}

/// What the thread of a fault did around it, as far as it was recorded.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Near {
    /// Its other faults that started at most 10 ms before or after.
    pub faults_within_10ms: u64,
    /// Sum of their known latencies, ns.
    pub latency_within_10ms_ns: u64,
    /// The last that started before.
    pub previous: Option<Neighbour>,
    /// The first that started after.
    pub next: Option<Neighbour>,
}

/// The fault before or after another one of the same thread.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Neighbour {
    /// From START to START, ns.
    pub distance_ns: u64,
    pub class: Class,
    pub address: Hex,
    pub latency_ns: Option<u64>,
}

/// Second pass.
#[derive(Debug)]
pub struct Surroundings {
    /// The slowest first.
    found: Vec<Found>,
    /// By thread, the indices in the order of time.
    threads: FxHashMap<(u32, u32), Vec<usize>>,
}

impl Surroundings {
    /// What [`Surroundings::fault`] looks at.
    pub const FIELDS: Fields = Fields::of(&[
        Field::Address,
        Field::Class,
        Field::Latency,
        Field::Pid,
        Field::Tid,
        Field::Time,
    ]);

    /// Takes in a fault, of whatever class: all faults of the first pass have to come again.
    pub fn fault(&mut self, fault: &Fault) {
        let Some(indices) = self.threads.get(&(fault.pid, fault.tid)) else {
            return;
        };
        let time_of = |index: &usize| self.found[*index].fault.time_ns;
        // Beyond the nearest slow fault a later one has that for its neighbour, or something nearer.
        let at = indices.partition_point(|index| time_of(index) < fault.time_ns);
        let after = indices.partition_point(|index| time_of(index) <= fault.time_ns);
        let first = indices.partition_point(|index| time_of(index) + NEAR_NS < fault.time_ns);
        let last = indices.partition_point(|index| time_of(index) <= fault.time_ns + NEAR_NS);
        let (before, later) = (at.checked_sub(1), indices.get(after).copied());
        let near = indices[first..last].to_vec();
        if let Some(index) = before.map(|at| indices[at]) {
            closest(&mut self.found[index], fault, |near| &mut near.next);
        }
        if let Some(index) = later {
            closest(&mut self.found[index], fault, |near| &mut near.previous);
        }
        for index in near {
            let Found { fault: slow, near } = &mut self.found[index];
            if (slow.time_ns, slow.address) != (fault.time_ns, fault.address) {
                near.faults_within_10ms += 1;
                near.latency_within_10ms_ns += fault.latency_ns.unwrap_or(0);
            }
        }
    }

    /// The slowest first; `tables` has what they refer to, `started_ns` is when the run began.
    #[must_use]
    pub fn finish(self, tables: &Tables, started_ns: u64) -> Vec<SlowFault> {
        let slow = |found| SlowFault::new(found, tables, started_ns);
        self.found.into_iter().map(slow).collect()
    }
}

fn closest(found: &mut Found, fault: &Fault, side: fn(&mut Near) -> &mut Option<Neighbour>) {
    let distance_ns = found.fault.time_ns.abs_diff(fault.time_ns);
    let neighbour = side(&mut found.near);
    if neighbour
        .as_ref()
        .is_none_or(|known| distance_ns < known.distance_ns)
    {
        *neighbour = Some(Neighbour {
            distance_ns,
            class: fault.class,
            address: Hex(fault.address),
            latency_ns: fault.latency_ns,
        });
    }
}

/// A slow fault with what it refers to. Names are somebody else's: never printed without
/// `render::sanitize`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SlowFault {
    /// START, ns of CLOCK_MONOTONIC.
    pub time_ns: u64,
    /// START from the start of the run, ns.
    pub from_start_ns: u64,
    pub latency_ns: u64,
    /// Where the latency went, by number of the phase, ns; together it.
    #[serde(serialize_with = "phases")]
    pub phases_ns: [u64; Phase::ALL.len()],
    pub pid: u32,
    pub tid: u32,
    pub comm: Option<Name>,
    /// The CPU that closed it.
    pub cpu: u16,
    pub mode: &'static str,
    pub access: &'static str,
    pub address: Hex,
    pub family: Family,
    pub class: Class,
    pub confidence: Confidence,
    pub major: bool,
    pub mapping: Option<Name>,
    /// Where in the mapping or its file the address lies.
    pub offset_bytes: Option<u64>,
    /// The function that made the access.
    pub function: Option<FrameRow>,
    /// Innermost first; `None` if it was not taken.
    pub stack: Option<Vec<FrameRow>>,
    #[serde(flatten)]
    pub near: Near,
}

impl SlowFault {
    fn new(Found { fault, near }: Found, tables: &Tables, started_ns: u64) -> Self {
        let mapping = fault.mapping_id.and_then(|id| tables.mapping_of(id));
        let known = |id: &u32| tables.location_of(*id).is_some();
        let location = fault.location_id.filter(known);
        let locations = fault.stack_id.and_then(|id| tables.stack_of(id));
        let frames = |locations: &[u32]| {
            let frames = locations.iter().flat_map(|&id| tables.frames(id));
            frames.map(FrameRow::from).collect()
        };
        let comm = tables.comm(fault.pid, fault.tid, fault.time_ns);
        Self {
            time_ns: fault.time_ns,
            from_start_ns: fault.time_ns.saturating_sub(started_ns),
            latency_ns: fault.latency_ns.unwrap_or(0),
            phases_ns: Phase::ALL.map(|phase| fault.phase_ns(phase)),
            pid: fault.pid,
            tid: fault.tid,
            comm: comm.map(|comm| Name(comm.to_vec())),
            cpu: fault.cpu,
            mode: fault.mode(),
            access: fault.access().name(),
            address: Hex(fault.address),
            family: fault.class.family(),
            class: fault.class,
            confidence: fault.confidence,
            major: fault.is_major(),
            mapping: mapping.map(|row| Name(mapping_name(row).into_owned())),
            offset_bytes: mapping.map(|row| row.offset_of(fault.address)),
            function: location.map(|id| tables.innermost(id).into()),
            stack: locations.map(frames),
            near,
        }
    }
}

#[cfg(test)]
#[path = "slowest_tests.rs"]
mod tests;
