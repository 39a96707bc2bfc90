//! Faults by file, in all processes; or, without one, by kind of memory.

use fault_trace_common::Class;

use crate::view::{
    definition::{Definition, Missing},
    field::{Column, Field},
    keys::MappingName,
    of::{Of, name_of},
    value::{Keep, Label, Value},
};
use fault_trace_model as model;
use fault_trace_model::{Fields, attribution::MappingRow};

pub(super) static VIEW: Definition = Definition {
    needs: Some(Missing::Mappings),
    ..Definition::new(
        "file",
        ["file", "files"],
        Fields::of(&[model::Field::Mapping, model::Field::Address]),
        |keys, fault| {
            let number = keys.mapping(fault.mapping_id, file, |_, _| false);
            let row = fault.mapping_id.and_then(|id| keys.tables.mapping_of(id));
            let offset = row.map(|row| row.offset_of(fault.address));
            ((0, number.into()), offset)
        },
        &[
            Field::data("file", |of| {
                of.mapping()
                    .map(|row| name_of(row).deleted(row.deleted))
                    .into()
            })
            .and_shown(Column::key("file")),
            Field::data("kind", |of| of.mapping().map(|row| row.kind.name()).into()),
            Field::data("deleted", |of| {
                of.mapping().is_some_and(|row| row.deleted).into()
            }),
            // Lowest and highest offset at which it was touched.
            Field::data("first_offset_bytes", |of| {
                span(of).map(|(first, _)| first).into()
            }),
            Field::data("last_offset_bytes", |of| {
                span(of).map(|(_, last)| last).into()
            }),
            Field::shown(Column::text("offsets", 6), |of| {
                let span = span(of).map(|(first, last)| format!("{first:#x}-{last:#x}"));
                span.map(|span| Label::new(span, Keep::Everything)).into()
            }),
            // Faults that found their page in the cache.
            Field::data("cached", |of| count(of, &[Class::FileCached]))
                .and_shown(Column::number("cached", 3)),
            // Faults that read it, or waited for somebody else who did.
            Field::data("read", |of| count(of, &[Class::FileRead, Class::FileWait]))
                .and_shown(Column::number("read", 1)),
        ],
    )
};

fn file(row: &MappingRow) -> MappingName<'_> {
    let of_kind = MappingName {
        kind: row.kind as u8,
        name: &row.name,
        ..MappingName::default()
    };
    if row.kind.has_file() {
        MappingName {
            device: row.device,
            inode: row.inode,
            ..of_kind
        }
    } else {
        of_kind
    }
}

fn span(of: &Of<'_>) -> Option<(u64, u64)> {
    of.group
        .span
        .filter(|_| of.mapping().is_some_and(|row| row.kind.has_file()))
}

fn count(of: &Of<'_>, classes: &[Class]) -> Value {
    Value::Count(classes.iter().map(|&class| of.group.of_class(class)).sum())
}
