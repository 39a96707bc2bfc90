//! What the faults refer to.

use std::sync::Arc;

use fastrand::Rng;
use fault_trace::model::{
    Event, TaskChange, TaskEvent,
    attribution::{
        CgroupRow, LocationKind, LocationRow, MappingKind, MappingRow, StackRow, SymbolRow,
    },
    mapping::{Device, Protection},
};

use super::{LOCATIONS_A_FUNCTION, MAPPING_PAGES, PAGE_BYTES, STARTED_NS, Shape, THREADS};

const CGROUPS: u32 = 16;
/// Frames of a stack, least and most.
const DEPTHS: std::ops::Range<u16> = 6..40;

/// Every row but the faults.
pub(super) fn rows(shape: Shape) -> impl Iterator<Item = Event> {
    let tasks = (0..shape.processes).flat_map(tasks);
    let mappings = (1..=shape.mappings).map(move |id| Event::Mapping(mapping(shape, id)));
    let locations = (1..=shape.locations()).flat_map(location);
    let stacks = (1..=shape.stacks).flat_map(move |id| stack(shape, id));
    let cgroups = (0..CGROUPS).map(|number| {
        Event::Cgroup(CgroupRow {
            id: cgroup(number),
            path: format!("/services/service-{number}").into_bytes(),
        })
    });
    tasks
        .chain(mappings)
        .chain(locations)
        .chain(stacks)
        .chain(cgroups)
}

pub(super) fn comm(process: u32) -> Vec<u8> {
    format!("service-{}", process % 40).into_bytes()
}

fn cgroup(number: u32) -> u64 {
    4_000 + u64::from(number % CGROUPS)
}

fn tasks(process: u32) -> impl Iterator<Item = Event> {
    let pid = Shape::pid(process);
    (0..THREADS).map(move |thread| {
        Event::Task(TaskEvent {
            time_ns: STARTED_NS,
            pid,
            tid: pid + thread,
            comm: comm(process),
            change: TaskChange::Seen,
            cgroup_id: Some(cgroup(process)),
        })
    })
}

/// What the mapping of that id is; each process has some of each kind.
pub(super) fn kind(shape: Shape, id: u32) -> MappingKind {
    match (id - 1) / shape.processes % 6 {
        0 | 1 => MappingKind::Anonymous,
        2 => MappingKind::Heap,
        3 | 4 => MappingKind::File,
        _ => MappingKind::SharedMemory,
    }
}

/// Where the mapping of that id begins.
pub(super) const fn start(id: u32) -> u64 {
    0x7e00_0000_0000 + (id as u64 % (1 << 16)) * MAPPING_PAGES * PAGE_BYTES
}

fn mapping(shape: Shape, id: u32) -> MappingRow {
    let kind = kind(shape, id);
    let file = id % 1_000;
    let name = match kind {
        MappingKind::File => format!("/usr/lib/lib{file}.so"),
        MappingKind::SharedMemory => format!("/dev/shm/segment-{file}"),
        MappingKind::Heap => "[heap]".to_owned(),
        _ => String::new(),
    };
    MappingRow {
        id,
        pid: Shape::pid((id - 1) % shape.processes),
        since_ns: STARTED_NS,
        start: start(id),
        end: start(id) + MAPPING_PAGES * PAGE_BYTES,
        offset_bytes: 0,
        protection: Protection::from_bits(3),
        shared: kind == MappingKind::SharedMemory,
        kind,
        name: Arc::from(name.as_bytes()),
        device: Device::default(),
        inode: if kind.has_file() { file.into() } else { 0 },
        deleted: false,
    }
}

/// The address that a location has in every process.
pub(super) fn address(location_id: u32) -> u64 {
    0x5555_5555_0000 + u64::from(location_id) * 16
}

fn location(id: u32) -> [Event; 2] {
    let function = id / LOCATIONS_A_FUNCTION;
    let name = if id == 1 {
        "_start".to_owned()
    } else {
        format!("module::submodule::function_{function}")
    };
    [
        Event::Location(LocationRow {
            id,
            kind: LocationKind::File,
            address: address(id),
            pid: Shape::pid(0),
            module: Arc::from(format!("/usr/bin/service-{}", function % 50).as_bytes()),
            build_id: vec![7; 20],
            offset_bytes: u64::from(id) * 16,
            elf_address: Some(address(id)),
        }),
        Event::Symbol(SymbolRow {
            location_id: id,
            depth: 0,
            function: name,
            function_offset_bytes: Some(4),
            source_file: Some(format!("src/file_{}.rs", function % 500)),
            source_line: Some(id),
            inlined: false,
        }),
    ]
}

/// The instruction that a stack leads to.
pub(super) const fn leaf(shape: Shape, stack_id: u32) -> u32 {
    2 + stack_id % (shape.locations() - 1)
}

fn stack(shape: Shape, stack_id: u32) -> impl Iterator<Item = Event> {
    let mut random = Rng::with_seed(stack_id.into());
    let depth = random.u16(DEPTHS);
    let mut location = leaf(shape, stack_id);
    (0..=depth).map(move |level| {
        let location_id = if level == depth { 1 } else { location };
        // Callers are few where callees are many.
        location = 2 + random.u32(0..location.max(2));
        Event::Stack(StackRow {
            stack_id,
            depth: level,
            location_id,
        })
    })
}
