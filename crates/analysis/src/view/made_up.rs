//! Made-up faults and what they refer to, for tests of views and exports.

use std::sync::Arc;

use fault_trace_common::{Class, Confidence, Evidence};

use super::{By, SortBy, View, ViewBuilder, ViewOptions};
use crate::{FaultFilter, Tables};
use fault_trace_model::{
    Fault, Run, TaskChange, TaskEvent,
    attribution::{
        CgroupRow, LocationKind, LocationRow, MappingKind, MappingRow, StackRow, SymbolRow,
    },
    mapping::{Device, Protection},
    sample,
};

/// Two processes with a heap, a file and a stack each, whose functions `a` and `b` are called by
/// `main`; `b` calls itself.
#[must_use]
pub fn tables() -> Tables {
    let mut tables = Tables::default();
    for (id, (pid, kind, name)) in (1..).zip([
        (4101, MappingKind::Heap, &b"[heap]"[..]),
        (4101, MappingKind::File, b"/usr/lib/libc.so.6"),
        (4102, MappingKind::File, b"/usr/lib/libc.so.6"),
        (4102, MappingKind::Named, b"shared pool"),
    ]) {
        tables.mapping(mapping(id, pid, kind, name));
    }
    for (id, function, source) in [
        (1, "a", Some("src/a.c")),
        (2, "b", None),
        (3, "main", Some("src/main.c")),
        (4, "__libc_start_main@@GLIBC_2.34", None),
    ] {
        tables.location(location(id, LocationKind::File, b"/srv/db"));
        tables.symbol(SymbolRow {
            location_id: id,
            depth: 0,
            function: function.to_owned(),
            function_offset_bytes: Some(4),
            source_file: source.map(str::to_owned),
            source_line: source.map(|_| id * 10),
            inlined: false,
        });
    }
    tables.location(location(5, LocationKind::File, b"/srv/stripped"));
    for (stack_id, frames) in [(1, &[1, 3, 4][..]), (2, &[2, 2, 3, 4]), (3, &[2, 5])] {
        for (depth, &location_id) in frames.iter().enumerate() {
            tables.stack(StackRow {
                stack_id,
                depth: depth as u16,
                location_id,
            });
        }
    }
    for (pid, comm, cgroup_id) in [(4101, "pgbench", 70), (4102, "postgres", 71)] {
        tables.task(&TaskEvent {
            time_ns: 0,
            pid,
            tid: pid,
            comm: comm.into(),
            change: TaskChange::Seen,
            cgroup_id: Some(cgroup_id),
        });
    }
    let path = format!("/system.slice/docker-{}.scope", "c0ffee00".repeat(8));
    for (id, path) in [(70, "/user.slice"), (71, &path)] {
        tables.cgroup(CgroupRow {
            id,
            path: path.into(),
        });
    }
    tables
}

fn mapping(id: u32, pid: u32, kind: MappingKind, name: &[u8]) -> MappingRow {
    MappingRow {
        id,
        pid,
        since_ns: 0,
        start: u64::from(id) << 20,
        end: u64::from(id + 1) << 20,
        offset_bytes: if kind.has_file() { 0x2000 } else { 0 },
        protection: Protection::from_bits(if kind.has_file() { 5 } else { 3 }),
        shared: false,
        kind,
        name: Arc::from(name),
        device: Device::default(),
        inode: u64::from(kind.has_file()) * 99,
        deleted: false,
    }
}

fn location(id: u32, kind: LocationKind, module: &[u8]) -> LocationRow {
    LocationRow {
        id,
        kind,
        address: 0x40_0000 + u64::from(id),
        pid: 4101,
        module: Arc::from(module),
        build_id: Vec::new(),
        offset_bytes: u64::from(id) * 0x100,
        elf_address: None,
    }
}

/// A fault on page `page` of the mapping, whose process it is.
#[must_use]
pub fn fault(mapping_id: u32, page: u64, class: Class, latency_ns: Option<u64>) -> Fault {
    let pid = if mapping_id <= 2 { 4101 } else { 4102 };
    Fault {
        time_ns: 1_000_000_000 + page * 1_000_000,
        latency_ns,
        address: (u64::from(mapping_id) << 20) + page * 4096 + 7,
        pid,
        tid: pid,
        pages: 1,
        class,
        confidence: Confidence::Exact,
        evidence: Evidence::of(Evidence::ENDED | Evidence::ALLOC_PAGE),
        mapping_id: Some(mapping_id),
        location_id: Some(mapping_id % 2 + 1),
        ..Fault::BLANK
    }
}

/// Some faults of each mapping, one of which knows nothing.
#[must_use]
pub fn faults() -> Vec<Fault> {
    let mut faults = Vec::new();
    for page in 0..40 {
        faults.push(Fault {
            stack_id: Some(2),
            ..fault(1, page, Class::AnonAlloc, Some(1_000 + page * 10))
        });
    }
    for page in 0..20 {
        faults.push(Fault {
            stack_id: Some(1),
            around_pages: 16,
            ..fault(2, page * 16, Class::FileCached, Some(700 + page))
        });
    }
    for page in 0..5 {
        faults.push(Fault {
            stack_id: Some(3),
            evidence: Evidence::of(Evidence::ENDED | Evidence::MAJOR | Evidence::CACHE_ADD),
            ..fault(3, page, Class::FileRead, Some(90_000 * (page + 1)))
        });
    }
    for _ in 0..3 {
        faults.push(fault(4, 8, Class::CowAnon, None));
    }
    faults.push(Fault {
        mapping_id: None,
        location_id: None,
        pid: 4110,
        tid: 4111,
        time_ns: 5_209_999_999,
        confidence: Confidence::Inferred,
        ..fault(4, 0, Class::Unknown, None)
    });
    faults
}

#[must_use]
pub fn options(by: By, sort: SortBy, limit: usize) -> ViewOptions {
    ViewOptions {
        by,
        sort,
        limit,
        filter: FaultFilter::default(),
    }
}

/// On a kernel whose fault-around bounds what is mapped.
#[must_use]
pub fn run() -> Run {
    let mut run = sample::database();
    run.host.kernel_release = "6.12.0".to_owned();
    run
}

#[must_use]
pub fn view_of(options: ViewOptions, faults: &[Fault]) -> View {
    let (tables, run) = (tables(), run());
    let mut builder = ViewBuilder::new(options, &tables, &run);
    builder.faults(faults);
    builder.finish()
}

#[must_use]
pub fn view(by: By) -> View {
    let sort = if by == By::Time {
        SortBy::Start
    } else {
        SortBy::Count
    };
    view_of(options(by, sort, 20), &faults())
}
