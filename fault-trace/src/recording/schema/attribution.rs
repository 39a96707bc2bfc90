//! The tables that faults refer to by id.

use std::sync::{Arc, LazyLock};

use arrow_array::types::{UInt16Type, UInt32Type, UInt64Type};

use super::{
    super::column::{
        Column,
        Encoding::{Delta, Dictionary},
    },
    Row,
};
use crate::model::{
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
const YES_NO: [&str; 2] = ["no", "yes"];

fn protection_index(protection: Protection) -> u8 {
    u8::from(protection.read) | u8::from(protection.write) << 1 | u8::from(protection.execute) << 2
}

fn protection_of_name(name: &str) -> Option<Protection> {
    let index = PROTECTIONS.iter().position(|known| *known == name)?;
    Some(Protection::from_bits(u32::try_from(index).ok()?))
}

fn yes_no(name: &str) -> Option<bool> {
    YES_NO
        .iter()
        .position(|known| *known == name)
        .map(|index| index == 1)
}

/// Bytes that the text column beside cannot hold.
fn odd(bytes: &[u8]) -> Option<&[u8]> {
    str::from_utf8(bytes).is_err().then_some(bytes)
}

fn mappings() -> Vec<Column<MappingRow>> {
    type M = MappingRow;
    vec![
        Column::number::<UInt32Type>("mapping_id", Delta, |m: &M| m.id, |m, v| m.id = v),
        Column::number::<UInt32Type>("pid", Delta, |m: &M| m.pid, |m, v| m.pid = v),
        Column::number::<UInt64Type>("since_ns", Delta, |m: &M| m.since_ns, |m, v| m.since_ns = v),
        Column::number::<UInt64Type>("start", Delta, |m: &M| m.start, |m, v| m.start = v),
        Column::number::<UInt64Type>("end", Delta, |m: &M| m.end, |m, v| m.end = v),
        Column::number::<UInt64Type>(
            "offset_bytes",
            Delta,
            |m: &M| m.offset_bytes,
            |m, v| m.offset_bytes = v,
        ),
        Column::names("protection", PROTECTIONS, |m: &M| {
            protection_index(m.protection)
        })
        .read_names(protection_of_name, Protection::default(), |m, v| {
            m.protection = v
        }),
        Column::names("shared", YES_NO, |m: &M| u8::from(m.shared)).read_names(
            yes_no,
            false,
            |m, v| m.shared = v,
        ),
        Column::names("kind", MappingKind::ALL.map(MappingKind::name), |m: &M| {
            m.kind as u8
        })
        .read_names(MappingKind::from_name, MappingKind::Special, |m, v| {
            m.kind = v
        }),
        Column::text("name", |m: &M| &m.name, |m, v| m.name = v.as_bytes().into()),
        // Only of names that are not UTF-8, which `name` cannot hold.
        Column::optional_bytes(
            "name_bytes",
            |m: &M| odd(&m.name),
            |m, v| {
                if let Some(bytes) = v {
                    m.name = bytes.into();
                }
            },
        ),
        Column::number::<UInt32Type>(
            "device_major",
            Delta,
            |m: &M| m.device.major,
            |m, v| m.device.major = v,
        ),
        Column::number::<UInt32Type>(
            "device_minor",
            Delta,
            |m: &M| m.device.minor,
            |m, v| m.device.minor = v,
        ),
        Column::number::<UInt64Type>("inode", Delta, |m: &M| m.inode, |m, v| m.inode = v),
        Column::names("deleted", YES_NO, |m: &M| u8::from(m.deleted)).read_names(
            yes_no,
            false,
            |m, v| m.deleted = v,
        ),
    ]
}

fn locations() -> Vec<Column<LocationRow>> {
    type L = LocationRow;
    vec![
        Column::number::<UInt32Type>("location_id", Delta, |l: &L| l.id, |l, v| l.id = v),
        Column::names(
            "kind",
            LocationKind::ALL.map(LocationKind::name),
            |l: &L| l.kind as u8,
        )
        .read_names(LocationKind::from_name, LocationKind::Unknown, |l, v| {
            l.kind = v
        }),
        Column::number::<UInt64Type>("address", Delta, |l: &L| l.address, |l, v| l.address = v),
        Column::number::<UInt32Type>("pid", Delta, |l: &L| l.pid, |l, v| l.pid = v),
        Column::text(
            "module",
            |l: &L| &l.module,
            |l, v| l.module = v.as_bytes().into(),
        ),
        Column::optional_bytes(
            "module_bytes",
            |l: &L| odd(&l.module),
            |l, v| {
                if let Some(bytes) = v {
                    l.module = bytes.into();
                }
            },
        ),
        Column::optional_bytes(
            "build_id",
            |l: &L| (!l.build_id.is_empty()).then_some(l.build_id.as_slice()),
            |l, v| l.build_id = v.unwrap_or_default().to_vec(),
        ),
        Column::number::<UInt64Type>(
            "offset_bytes",
            Delta,
            |l: &L| l.offset_bytes,
            |l, v| l.offset_bytes = v,
        ),
        Column::optional_number::<UInt64Type>(
            "elf_address",
            Delta,
            |l: &L| l.elf_address,
            |l, v| l.elf_address = v,
        ),
    ]
}

fn symbols() -> Vec<Column<SymbolRow>> {
    type S = SymbolRow;
    vec![
        Column::number::<UInt32Type>(
            "location_id",
            Delta,
            |s: &S| s.location_id,
            |s, v| s.location_id = v,
        ),
        Column::number::<UInt16Type>("depth", Delta, |s: &S| s.depth, |s, v| s.depth = v),
        Column::text(
            "function",
            |s: &S| s.function.as_bytes(),
            |s, v| s.function = v.to_owned(),
        ),
        Column::optional_number::<UInt64Type>(
            "function_offset_bytes",
            Delta,
            |s: &S| s.function_offset_bytes,
            |s, v| s.function_offset_bytes = v,
        ),
        Column::optional_text(
            "source_file",
            |s: &S| s.source_file.as_deref(),
            |s, v| s.source_file = v.map(str::to_owned),
        ),
        Column::optional_number::<UInt32Type>(
            "source_line",
            Dictionary,
            |s: &S| s.source_line,
            |s, v| s.source_line = v,
        ),
        Column::names("inlined", YES_NO, |s: &S| u8::from(s.inlined)).read_names(
            yes_no,
            false,
            |s, v| s.inlined = v,
        ),
    ]
}

fn stacks() -> Vec<Column<StackRow>> {
    type S = StackRow;
    vec![
        Column::number::<UInt32Type>("stack_id", Delta, |s: &S| s.stack_id, |s, v| s.stack_id = v),
        Column::number::<UInt16Type>("depth", Delta, |s: &S| s.depth, |s, v| s.depth = v),
        Column::number::<UInt32Type>(
            "location_id",
            Delta,
            |s: &S| s.location_id,
            |s, v| s.location_id = v,
        ),
    ]
}

fn cgroups() -> Vec<Column<CgroupRow>> {
    type C = CgroupRow;
    vec![
        Column::number::<UInt64Type>("cgroup_id", Delta, |c: &C| c.id, |c, v| c.id = v),
        Column::text(
            "path",
            |c: &C| &c.path,
            |c, v| c.path = v.as_bytes().to_vec(),
        ),
        Column::optional_bytes(
            "path_bytes",
            |c: &C| odd(&c.path),
            |c, v| {
                if let Some(bytes) = v {
                    c.path = bytes.to_vec();
                }
            },
        ),
    ]
}
