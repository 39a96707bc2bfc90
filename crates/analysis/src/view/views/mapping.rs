//! Faults by mapping.

use crate::view::{
    definition::{Definition, Missing},
    field::{Column, Field},
    keys::MappingName,
    of::{Of, name_of},
    value::{Hex, Keep, Label, Value},
};
use fault_trace_model as model;
use fault_trace_model::{Fields, attribution::MappingRow};

pub(super) static VIEW: Definition = Definition {
    needs: Some(Missing::Mappings),
    ..Definition::new(
        "mapping",
        ["mapping", "mappings"],
        Fields::of(&[model::Field::Mapping]),
        |keys, fault| {
            // The one that reaches furthest stands for all.
            let number = keys.mapping(fault.mapping_id, mapping, |row, known| known.end < row.end);
            ((0, number.into()), None)
        },
        &[
            Field::data("name", |of| {
                known(of, |row| name_of(row).deleted(row.deleted).into())
            })
            .and_shown(Column::key("mapping")),
            Field::data("kind", |of| known(of, |row| row.kind.name().into())),
            Field::data("deleted", |of| known(of, |row| row.deleted.into())),
            Field::data("pid", |of| of.mapping().map(|row| row.pid).into()),
            Field::data("comm", |of| {
                of.mapping().and_then(|row| of.comm(row.pid)).into()
            }),
            Field::shown(Column::text("process", 3), |of| {
                known(of, |row| of.process(row.pid).into())
            }),
            Field::data("start", |of| {
                known(of, |row| Value::Address(Hex(row.start)))
            }),
            // The first address beyond.
            Field::data("end", |of| known(of, |row| Value::Address(Hex(row.end)))),
            Field::shown(Column::text("addresses", 5), |of| {
                known(of, |row| {
                    let range = format!("{:#x}-{:#x}", row.start, row.end);
                    Label::new(range, Keep::Everything).into()
                })
            }),
            Field::data("protection", |of| known(of, |row| protection(row).into()))
                .and_shown(Column::text("prot", 2)),
            Field::json("shared", |of| known(of, |row| row.shared.into())),
        ],
    )
};

fn mapping(row: &MappingRow) -> MappingName<'_> {
    let protection = row.protection;
    MappingName {
        kind: row.kind as u8,
        name: &row.name,
        pid: row.pid,
        start: row.start,
        flags: [
            protection.read,
            protection.write,
            protection.execute,
            row.shared,
        ],
        ..MappingName::default()
    }
}

/// What is known of the mapping; nothing where it is not known itself.
fn known(of: &Of<'_>, value: impl Fn(&MappingRow) -> Value) -> Value {
    of.mapping().map_or(Value::Absent, value)
}

/// As in /proc/PID/maps.
fn protection(row: &MappingRow) -> Label {
    let flag = |set, letter| if set { letter } else { '-' };
    let protection = row.protection;
    let letters = [
        flag(protection.read, 'r'),
        flag(protection.write, 'w'),
        flag(protection.execute, 'x'),
        if row.shared { 's' } else { 'p' },
    ];
    Label::new(String::from_iter(letters), Keep::Everything)
}
