//! Made-up recordings of any size: the same faults for the same shape, with the distributions of a
//! machine that runs many programs.

mod faults;
mod tables;

pub use faults::Faults;

use fault_trace::model::{ClassTotals, Event, Fault, ProcessTotals, Run, totals::Counts};
use fault_trace_common::{Class, Hooks};

/// Threads of a process.
const THREADS: u32 = 4;
/// Locations of a function.
const LOCATIONS_A_FUNCTION: u32 = 4;
/// Pages of a mapping.
const MAPPING_PAGES: u64 = 1 << 12;
const PAGE_BYTES: u64 = 4096;
const STARTED_NS: u64 = 1_000_000_000;

/// How much there is of everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    pub faults: u64,
    pub processes: u32,
    /// Over all processes; at least one each.
    pub mappings: u32,
    /// None without call graphs.
    pub stacks: u32,
}

impl Shape {
    /// A busy machine.
    pub const USUAL: Self = Self {
        faults: 0,
        processes: 200,
        mappings: 10_000,
        stacks: 50_000,
    };

    /// The same with so many faults.
    #[must_use]
    pub const fn with_faults(self, faults: u64) -> Self {
        Self { faults, ..self }
    }

    /// Places in code.
    const fn locations(self) -> u32 {
        2_000 + self.stacks / 4
    }

    const fn pid(process: u32) -> u32 {
        1_000 + process * 8
    }

    /// Everything that faults refer to.
    pub fn rows(self) -> impl Iterator<Item = Event> {
        tables::rows(self)
    }

    /// The faults, in the order in which they were closed.
    #[must_use]
    pub fn faults(self) -> Faults {
        Faults::new(self)
    }

    /// The run before its first fault.
    #[must_use]
    pub fn run(self) -> Run {
        let counts = Counts::default();
        let processes: Vec<ProcessTotals> = (0..self.processes)
            .map(|process| ProcessTotals {
                pid: Self::pid(process),
                comm: tables::comm(process),
                counts,
                cpu_ns: None,
                kernel: None,
            })
            .collect();
        let host = serde_json::json!({"name": "synthetic", "kernel_release": "6.12.0",
            "machine": "x86_64", "cpus_online": 2, "page_size_bytes": PAGE_BYTES});
        let options = serde_json::json!({"sample": 1, "min_latency_ns": 0, "filters": [],
            "records_faults": true, "call_graph": (self.stacks > 0).then_some("fp")});
        let mut run: Run = serde_json::from_value(serde_json::json!({
            "tool_version": "0", "command": [], "target": "all", "hooks": [], "host": host,
            "options": options, "clock": {"monotonic_ns": 0, "unix_ns": 0},
            "started_ns": STARTED_NS, "stopped_ns": STARTED_NS, "complete": false,
            "kernel": null, "exit_status": null, "undecodable": 0, "notes": [],
            "totals": {"counts": counts, "classes": [], "processes": [], "counters": {}}
        }))
        .expect("a run reads");
        run.hooks = Hooks::ALL;
        run.totals.processes = processes;
        run
    }
}

/// Adds a fault up as the kernel would have.
pub fn count(run: &mut Run, fault: &Fault) {
    let latency_ns = fault.latency_ns.unwrap_or(0);
    let totals = &mut run.totals;
    // Pids are evenly spaced.
    let process = (fault.pid - Shape::pid(0)) / (Shape::pid(1) - Shape::pid(0));
    for counts in [
        &mut totals.counts,
        &mut totals.processes[process as usize].counts,
    ] {
        counts.started += 1;
        counts.recorded += 1;
        counts.latency_ns += latency_ns;
        match fault.class {
            Class::SegvUnmapped => counts.failed += 1,
            _ if fault.is_major() => counts.major += 1,
            _ => counts.minor += 1,
        }
    }
    let classes = &mut totals.classes;
    let index = classes.binary_search_by_key(&fault.class, |totals| totals.class);
    let index = index.unwrap_or_else(|place| {
        classes.insert(place, ClassTotals::empty(fault.class));
        place
    });
    classes[index].add_fault(fault);
    run.stopped_ns = run.stopped_ns.max(fault.time_ns + latency_ns);
}
