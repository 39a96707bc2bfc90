//! From the eBPF maps to [`Totals`].

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray},
};
use bytemuck::Pod;
use fault_trace_common::{
    Class, Counter,
    histogram::BUCKETS,
    phase,
    wire::{ClassStats, ProcessStats, ThreadStats},
};

use super::CaptureError;
use crate::{
    model::{
        ClassTotals, CounterTotals, Counts, ProcessTotals, Totals,
        totals::{KernelCounts, Passed, add_counts},
    },
    pipeline::decode,
};

/// What was counted, and by whom that still lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    pub totals: Totals,
    /// Threads that have faulted and not exited.
    pub live_threads: Vec<LiveThread>,
}

/// A live thread that has faulted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveThread {
    pub pid: u32,
    pub tid: u32,
    /// The kernel's own counters of it at its first fault in the run.
    pub first_seen: KernelCounts,
    /// The newest name; raw bytes.
    pub comm: Vec<u8>,
    pub started: u64,
    /// Sum of the known latencies, ns.
    pub latency_ns: u64,
    /// What passed the filters.
    pub passed: Passed,
}

/// A wire struct as a map value.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Value<T>(T);

// SAFETY: transparent, and T is plain old data.
unsafe impl<T: Pod> aya::Pod for Value<T> {}

pub(super) fn take_map(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, CaptureError> {
    ebpf.take_map(name)
        .ok_or(CaptureError::Missing { kind: "map", name })
}

pub(super) fn map_mut<'a, M>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<M, CaptureError>
where
    M: TryFrom<&'a mut Map, Error = MapError>,
{
    let map = ebpf
        .map_mut(name)
        .ok_or(CaptureError::Missing { kind: "map", name })?;
    M::try_from(map).map_err(|source| CaptureError::Map { name, source })
}

pub(super) fn map<'a, M>(ebpf: &'a Ebpf, name: &'static str) -> Result<M, CaptureError>
where
    M: TryFrom<&'a Map, Error = MapError>,
{
    let map = ebpf
        .map(name)
        .ok_or(CaptureError::Missing { kind: "map", name })?;
    M::try_from(map).map_err(|source| CaptureError::Map { name, source })
}

pub(super) fn read(ebpf: &Ebpf) -> Result<Snapshot, CaptureError> {
    let threads = live_threads(ebpf)?;
    let processes = processes(ebpf, &threads)?;
    let mut counts = Counts::default();
    for process in &processes {
        add_counts(&mut counts, &process.counts);
    }
    let totals = Totals {
        counts,
        classes: classes(ebpf)?,
        processes,
        threads: Vec::new(),
        counters: counters(ebpf)?,
    };
    let live = threads.iter().filter(|thread| thread.tid != 0);
    Ok(Snapshot {
        totals,
        live_threads: live
            .map(|thread| LiveThread {
                pid: thread.pid,
                tid: thread.tid,
                first_seen: KernelCounts {
                    minor: thread.first.minor,
                    major: thread.first.major,
                },
                comm: decode::comm(&thread.comm),
                started: thread.counts.started,
                latency_ns: thread.counts.latency_ns,
                passed: Passed::of(&thread.counts),
            })
            .collect(),
    })
}

/// Live threads and exited ones, by process.
fn processes(ebpf: &Ebpf, live: &[ThreadStats]) -> Result<Vec<ProcessTotals>, CaptureError> {
    let mut processes = BTreeMap::new();
    let exited: HashMap<&MapData, u32, Value<ProcessStats>> = map(ebpf, "PROCESSES")?;
    for entry in exited.iter() {
        let (pid, Value(stats)) = entry.map_err(|source| CaptureError::Map {
            name: "PROCESSES",
            source,
        })?;
        let process = process(&mut processes, pid);
        add_counts(&mut process.counts, &stats.counts);
        process.comm = decode::comm(&stats.comm);
    }
    for thread in live {
        let process = process(&mut processes, thread.pid);
        add_counts(&mut process.counts, &thread.counts);
    }
    Ok(processes.into_values().collect())
}

fn process(processes: &mut BTreeMap<u32, ProcessTotals>, pid: u32) -> &mut ProcessTotals {
    processes.entry(pid).or_insert_with(|| ProcessTotals {
        pid,
        comm: Vec::new(),
        counts: Counts::default(),
        kernel: None,
        cpu_ns: None,
    })
}

fn live_threads(ebpf: &Ebpf) -> Result<Vec<ThreadStats>, CaptureError> {
    let fail = |name| move |source| CaptureError::Map { name, source };
    let next: Array<&MapData, u64> = map(ebpf, "NEXT_SLOT")?;
    let threads: Array<&MapData, Value<ThreadStats>> = map(ebpf, "THREADS")?;
    let last = next.get(&0, 0).map_err(fail("NEXT_SLOT"))?;
    let last = u32::try_from(last)
        .unwrap_or(u32::MAX)
        .min(threads.len() - 1);
    let mut live = Vec::new();
    for slot in 0..=last {
        let Value(thread) = threads.get(&slot, 0).map_err(fail("THREADS"))?;
        // Slot 0 has no thread of its own: process 0 stands for those that share it.
        if thread.tid != 0 || thread.counts != Counts::default() {
            live.push(thread);
        }
    }
    Ok(live)
}

fn classes(ebpf: &Ebpf) -> Result<Vec<ClassTotals>, CaptureError> {
    let name = "CLASSES";
    let map: PerCpuArray<&MapData, Value<ClassStats>> = map(ebpf, name)?;
    let mut classes = Vec::new();
    for class in Class::ALL {
        let values = map
            .get(&(class as u32), 0)
            .map_err(|source| CaptureError::Map { name, source })?;
        let mut totals = ClassTotals::empty(class);
        for Value(stats) in values.iter() {
            add_class(&mut totals, stats);
        }
        if totals.count() != 0 {
            classes.push(totals);
        }
    }
    Ok(classes)
}

fn add_class(totals: &mut ClassTotals, stats: &ClassStats) {
    totals.untimed += stats.untimed;
    totals.inferred += stats.inferred;
    totals.major += stats.major;
    totals.pages += stats.pages;
    totals.sum_ns += stats.sum_ns;
    phase::add(&mut totals.phases_ns, &stats.phases_ns);
    if stats.min_ns_inverted != 0 {
        let (min, max) = (!stats.min_ns_inverted, stats.max_ns);
        totals.min_ns = Some(totals.min_ns.map_or(min, |known| known.min(min)));
        totals.max_ns = Some(totals.max_ns.map_or(max, |known| known.max(max)));
    }
    for bucket in 0..BUCKETS {
        totals.buckets[bucket] += stats.buckets[bucket];
    }
}

fn counters(ebpf: &Ebpf) -> Result<CounterTotals, CaptureError> {
    let name = "COUNTERS";
    let map: PerCpuArray<&MapData, u64> = map(ebpf, name)?;
    let mut counters = CounterTotals::default();
    for counter in Counter::ALL {
        let values = map
            .get(&(counter as u32), 0)
            .map_err(|source| CaptureError::Map { name, source })?;
        counters.0[counter as usize] = values.iter().sum();
    }
    Ok(counters)
}
