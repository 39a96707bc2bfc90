//! The tables that faults refer to by id.

use std::sync::{Arc, LazyLock};

use super::{
    super::column::{Column, Encoding, columns, yes_no},
    Row,
};
use fault_trace_model::{
    attribution::{
        CgroupRow, LocationKind, LocationRow, MappingKind, MappingRow, StackRow, SymbolRow,
    },
    mapping::{Device, Protection},
};

macro_rules! row {
    ($row:ty, $table:literal, $columns:expr, $blank:expr) => {
        impl Row for $row {
            const TABLE: &'static str = $table;

            fn columns() -> &'static [Column<Self>] {
                static COLUMNS: LazyLock<Vec<Column<$row>>> = LazyLock::new($columns);
                &COLUMNS
            }

            fn blank() -> Self {
                $blank
            }
        }
    };
}

row!(
    MappingRow,
    "mappings",
    mappings,
    MappingRow {
        id: 0,
        pid: 0,
        since_ns: 0,
        start: 0,
        end: 0,
        offset_bytes: 0,
        protection: Protection::default(),
        shared: false,
        kind: MappingKind::Anonymous,
        name: Arc::default(),
        device: Device::default(),
        inode: 0,
        deleted: false,
    }
);

row!(
    LocationRow,
    "locations",
    locations,
    LocationRow {
        id: 0,
        kind: LocationKind::Unknown,
        address: 0,
        pid: 0,
        module: Arc::default(),
        build_id: Vec::new(),
        offset_bytes: 0,
        elf_address: None,
    }
);

row!(
    SymbolRow,
    "symbols",
    symbols,
    SymbolRow {
        location_id: 0,
        depth: 0,
        function: String::new(),
        function_offset_bytes: None,
        source_file: None,
        source_line: None,
        inlined: false,
    }
);

row!(
    StackRow,
    "stacks",
    stacks,
    StackRow {
        stack_id: 0,
        depth: 0,
        location_id: 0,
    }
);

row!(
    CgroupRow,
    "cgroups",
    cgroups,
    CgroupRow {
        id: 0,
        path: Vec::new(),
    }
);

/// The eight protections of /proc/PID/maps; the index has bit 0 for r, 1 for w, 2 for x.
const PROTECTIONS: [&str; 8] = ["---", "r--", "-w-", "rw-", "--x", "r-x", "-wx", "rwx"];
fn protection_index(protection: Protection) -> u8 {
    u8::from(protection.read) | u8::from(protection.write) << 1 | u8::from(protection.execute) << 2
}

fn protection_of_name(name: &str) -> Option<Protection> {
    let index = PROTECTIONS.iter().position(|known| *known == name)?;
    Some(Protection::from_bits(u32::try_from(index).ok()?))
}

fn mappings() -> Vec<Column<MappingRow>> {
    let protection = |name| {
        let index = |row: &MappingRow| protection_index(row.protection);
        let set = |row: &mut MappingRow, value| row.protection = value;
        Column::names(name, PROTECTIONS, index).read_names(
            protection_of_name,
            Protection::default(),
            set,
        )
    };
    columns! { MappingRow;
        "mapping_id" => number(id, Delta),
        "pid" => number(pid, Delta),
        "since_ns" => number(since_ns, Delta),
        "start" => number(start, Delta),
        "end" => number(end, Delta),
        "offset_bytes" => number(offset_bytes, Delta),
        "protection" => with(protection),
        "shared" => yes_no(shared),
        "kind" => named(kind, MappingKind::ALL.map(MappingKind::name), MappingKind::from_name,
            MappingKind::Special),
        "name" => text(name),
        "name_bytes" => odd_bytes(name),
        "device_major" => number(device.major, Delta),
        "device_minor" => number(device.minor, Delta),
        "inode" => number(inode, Delta),
        "deleted" => yes_no(deleted),
    }
}

fn locations() -> Vec<Column<LocationRow>> {
    let build_id = |name| {
        Column::optional_bytes(
            name,
            |row: &LocationRow| (!row.build_id.is_empty()).then_some(row.build_id.as_slice()),
            |row, value| row.build_id = value.unwrap_or_default().to_vec(),
        )
    };
    columns! { LocationRow;
        "location_id" => number(id, Delta),
        "kind" => named(kind, LocationKind::ALL.map(LocationKind::name), LocationKind::from_name,
            LocationKind::Unknown),
        "address" => number(address, Delta),
        "pid" => number(pid, Delta),
        "module" => text(module),
        "module_bytes" => odd_bytes(module),
        "build_id" => with(build_id),
        "offset_bytes" => number(offset_bytes, Delta),
        "elf_address" => optional(elf_address, Delta),
    }
}

fn symbols() -> Vec<Column<SymbolRow>> {
    let function = |name| {
        Column::text(
            name,
            |row: &SymbolRow| row.function.as_bytes(),
            |row, value| row.function = value.to_owned(),
        )
    };
    let source_file = |name| {
        Column::optional_text(
            name,
            |row: &SymbolRow| row.source_file.as_deref(),
            |row, value| row.source_file = value.map(str::to_owned),
        )
    };
    columns! { SymbolRow;
        "location_id" => number(location_id, Delta),
        "depth" => number(depth, Delta),
        "function" => with(function),
        "function_offset_bytes" => optional(function_offset_bytes, Delta),
        "source_file" => with(source_file),
        "source_line" => optional(source_line, Dictionary),
        "inlined" => yes_no(inlined),
    }
}

fn stacks() -> Vec<Column<StackRow>> {
    columns! { StackRow;
        "stack_id" => number(stack_id, Delta),
        "depth" => number(depth, Delta),
        "location_id" => number(location_id, Delta),
    }
}

fn cgroups() -> Vec<Column<CgroupRow>> {
    columns! { CgroupRow;
        "cgroup_id" => number(id, Delta),
        "path" => text(path),
        "path_bytes" => odd_bytes(path),
    }
}
