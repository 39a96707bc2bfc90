use std::sync::Arc;

use super::*;
use fault_trace_model::{TaskChange, attribution::LocationKind};

fn location(id: u32, kind: LocationKind, module: &[u8]) -> LocationRow {
    LocationRow {
        id,
        kind,
        address: 0x7000 + u64::from(id),
        pid: 1,
        module: Arc::from(module),
        build_id: Vec::new(),
        offset_bytes: u64::from(id) * 0x10,
        elf_address: None,
    }
}

fn symbol(location_id: u32, depth: u16, function: &str) -> SymbolRow {
    SymbolRow {
        location_id,
        depth,
        function: function.to_owned(),
        function_offset_bytes: None,
        source_file: None,
        source_line: None,
        inlined: depth == 0,
    }
}

fn stack(tables: &mut Tables, id: u32, locations: &[u32]) {
    for (depth, &location_id) in locations.iter().enumerate() {
        tables.stack(StackRow {
            stack_id: id,
            depth: depth as u16,
            location_id,
        });
    }
}

fn names(tables: &Tables, location: u32) -> Vec<String> {
    tables
        .frames(location)
        .map(|frame| frame.name().into_owned())
        .collect()
}

#[test]
fn inlined_functions_come_innermost_first_whatever_their_order() {
    let mut tables = Tables::default();
    tables.location(location(1, LocationKind::File, b"/bin/a"));
    tables.symbol(symbol(1, 1, "outer"));
    tables.symbol(symbol(1, 0, "inner"));
    assert_eq!(names(&tables, 1), ["inner", "outer"]);
    assert_eq!(tables.innermost(1).function, Some("inner"));
}

#[test]
fn a_place_without_a_function_is_named_by_its_module_or_its_address() {
    let mut tables = Tables::default();
    tables.location(location(1, LocationKind::File, b"/usr/lib/libc.so.6"));
    tables.location(location(2, LocationKind::Jit, b""));
    tables.location(location(3, LocationKind::Kernel, b""));
    assert_eq!(names(&tables, 1), ["libc.so.6+0x10"]);
    assert_eq!(names(&tables, 2), ["0x20"]);
    assert_eq!(names(&tables, 3), ["0x30"]);
    assert!(tables.innermost(3).is_kernel());
    assert_eq!(tables.innermost(3).module, b"[kernel]");
    assert_eq!(names(&tables, 99), ["[unknown]"]);
}

#[test]
fn a_stack_that_reaches_no_start_function_looks_truncated() {
    let mut tables = Tables::default();
    for (id, function) in [
        (1, "work"),
        (2, "main"),
        (3, "__libc_start_call_main"),
        (4, "__libc_start_main@@GLIBC_2.34"),
    ] {
        tables.location(location(id, LocationKind::File, b"/bin/a"));
        tables.symbol(symbol(id, 0, function));
    }
    // `_start` of a stripped program, and the kernel's entry.
    tables.location(location(5, LocationKind::File, b"/bin/a"));
    tables.location(location(6, LocationKind::Kernel, b""));
    stack(&mut tables, 1, &[1, 2, 3, 4, 5]);
    stack(&mut tables, 2, &[1, 2]);
    stack(&mut tables, 3, &[6, 6]);
    stack(&mut tables, 4, &[6, 1]);
    stack(&mut tables, 5, &[3; 127]);
    let truncated: Vec<bool> = (1..=6).map(|id| tables.is_truncated(id)).collect();
    assert_eq!(truncated, [false, true, false, true, true, false]);
}

#[test]
fn frames_may_come_in_any_order_and_a_missing_one_is_unknown() {
    let mut tables = Tables::default();
    for (depth, location_id) in [(2, 7), (0, 5)] {
        tables.stack(StackRow {
            stack_id: 1,
            depth,
            location_id,
        });
    }
    assert_eq!(tables.stack_of(1), Some(&[5, 0, 7][..]));
    assert_eq!(tables.stack_of(2), None);
}

#[test]
fn a_thread_is_in_the_cgroup_of_its_newest_event() {
    let mut tables = Tables::default();
    let mut task = TaskEvent {
        time_ns: 100,
        pid: 1,
        tid: 2,
        comm: b"x".to_vec(),
        change: TaskChange::Seen,
        cgroup_id: Some(10),
    };
    tables.task(&task);
    (task.time_ns, task.change, task.cgroup_id) = (200, TaskChange::Moved, Some(20));
    tables.task(&task);
    (task.time_ns, task.change, task.cgroup_id) = (300, TaskChange::Renamed, None);
    tables.task(&task);
    let at = |time_ns| tables.cgroup_at(1, 2, time_ns);
    assert_eq!(
        [at(50), at(199), at(200), at(999)],
        [10, 10, 20, 20].map(Some)
    );
    assert_eq!(tables.cgroup_at(2, 2, 200), None);
}

#[test]
fn a_cgroups_path_stays_known() {
    let mut tables = Tables::default();
    for path in [&b"/a"[..], b""] {
        tables.cgroup(CgroupRow {
            id: 1,
            path: path.to_vec(),
        });
    }
    assert_eq!(tables.cgroup_path(1), Some(&b"/a"[..]));
}

#[test]
fn beyond_the_bound_rows_are_counted_and_not_kept() {
    let mut tables = Tables::new(2);
    for id in 1..=5 {
        tables.ingest(&Event::Location(location(
            id,
            LocationKind::File,
            b"/bin/a",
        )));
    }
    assert!(tables.location_of(2).is_some() && tables.location_of(3).is_none());
    assert_eq!(tables.not_kept(), 3);
}
