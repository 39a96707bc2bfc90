//! A small recording, made without tracing anything.

use std::{path::Path, sync::Arc};

use fault_trace::{
    model::{
        Event, Fault, ProcessTotals, Run, TaskChange, TaskEvent,
        attribution::{LocationKind, LocationRow, MappingKind, MappingRow, StackRow, SymbolRow},
        mapping::{Device, Protection},
        totals::Counts,
    },
    recording::RecordingWriter,
};
use fault_trace_common::{Class, Confidence, Evidence};
use serde_json::json;

pub(crate) const FAULTS: u64 = 30;

pub(crate) fn run() -> Run {
    let counts = json!({
        "started": FAULTS, "minor": FAULTS, "major": 0, "failed": 0, "recorded": FAULTS, "dropped": 0,
        "filtered": 0, "gup": 0, "latency_ns": 0, "kernel_minor": 0, "kernel_major": 0
    });
    let mut run: Run = serde_json::from_value(json!({
        "tool_version": "1", "command": ["db"], "target": "command", "hooks": ["mm_page_alloc"],
        "host": {"name": "box", "kernel_release": "6.18.0", "machine": "x86_64", "cpus_online": 2,
            "page_size_bytes": 4096},
        "options": {"sample": 1, "min_latency_ns": 0, "filters": [], "records_faults": true},
        "clock": {"monotonic_ns": 0, "unix_ns": 0}, "started_ns": 1000, "stopped_ns": 31_000,
        "complete": true, "kernel": null, "exit_status": 0, "undecodable": 0, "notes": [],
        "totals": {"counts": counts, "classes": [], "processes": [], "counters": {}}
    }))
    .expect("a run reads");
    for (pid, comm) in [(7, "db"), (8, "=evil\x1b")] {
        run.totals.processes.push(ProcessTotals {
            pid,
            comm: comm.into(),
            counts: Counts::default(),
            cpu_ns: None,
            kernel: None,
        });
    }
    run
}

fn fault(number: u64, attributed: bool) -> Fault {
    let pid = 7 + (number % 3 / 2) as u32;
    Fault {
        time_ns: 1000 + number * 1000,
        latency_ns: Some(100 + number),
        address: 0x10_0000 + number * 4096,
        pid,
        tid: pid,
        pages: 1,
        class: Class::AnonAlloc,
        confidence: Confidence::Exact,
        evidence: Evidence::of(Evidence::ENDED | Evidence::ALLOC_PAGE),
        mapping_id: attributed.then_some(1),
        location_id: attributed.then_some(1),
        stack_id: attributed.then_some(1),
        ..Fault::BLANK
    }
}

pub(crate) fn attribution() -> Vec<Event> {
    let location = |id, module: &[u8]| {
        Event::Location(LocationRow {
            id,
            kind: LocationKind::File,
            address: 0x40_0000,
            pid: 7,
            module: Arc::from(module),
            build_id: Vec::new(),
            offset_bytes: 0x1234,
            elf_address: None,
        })
    };
    let symbol = |location_id, function: &str| {
        Event::Symbol(SymbolRow {
            location_id,
            depth: 0,
            function: function.to_owned(),
            function_offset_bytes: None,
            source_file: None,
            source_line: None,
            inlined: false,
        })
    };
    let frame = |depth, location_id| {
        Event::Stack(StackRow {
            stack_id: 1,
            depth,
            location_id,
        })
    };
    vec![
        Event::Mapping(MappingRow {
            id: 1,
            pid: 7,
            since_ns: 0,
            start: 0x10_0000,
            end: 0x20_0000,
            offset_bytes: 0,
            protection: Protection::from_bits(3),
            shared: false,
            kind: MappingKind::Heap,
            name: Arc::from(&b"[heap]"[..]),
            device: Device::default(),
            inode: 0,
            deleted: false,
        }),
        location(1, b"/bin/db"),
        location(2, b"/bin/db"),
        symbol(1, "insert"),
        symbol(2, "_start"),
        frame(0, 1),
        frame(1, 2),
        Event::Task(TaskEvent {
            time_ns: 0,
            pid: 7,
            tid: 7,
            comm: b"db".to_vec(),
            change: TaskChange::Seen,
            cgroup_id: None,
        }),
    ]
}

/// Writes a recording of so many segments of faults, with what they refer to, or without.
pub(crate) fn write(path: &Path, attributed: bool, segments: u64) {
    let tables = if attributed {
        attribution()
    } else {
        Vec::new()
    };
    write_run(path, &run(), tables, segments);
}

/// Writes a recording of a run; its faults refer to `tables`, unless they are empty.
pub(crate) fn write_run(path: &Path, run: &Run, tables: Vec<Event>, segments: u64) {
    let attributed = !tables.is_empty();
    let mut writer = RecordingWriter::create(path, false, run).expect("created");
    for event in tables {
        writer.push(event).expect("written");
    }
    for number in 0..FAULTS {
        let fault = fault(number, attributed);
        writer.push(Event::Fault(fault)).expect("written");
        if (number + 1) % (FAULTS / segments) == 0 {
            writer.roll().expect("rolled");
        }
    }
    writer.finish(run).expect("finished");
}
