//! Faults by page of a process.

use crate::view::{
    definition::Definition,
    field::{Column, Field},
    of::{Of, name_of},
    value::{Hex, Keep, Label, Value},
};
use fault_trace_model as model;
use fault_trace_model::{Fields, attribution::MappingRow};

pub(super) static VIEW: Definition = Definition::new(
    "page",
    ["page", "pages"],
    Fields::of(&[model::Field::Pid, model::Field::Address]),
    |keys, fault| ((fault.pid, fault.address / keys.page_size_bytes), None),
    &[
        Field::data("address", |of| Value::Address(Hex(of.page_address())))
            .and_shown(Column::key("page")),
        Field::data("pid", |of| of.pid().into()),
        Field::data("comm", |of| of.comm(of.pid()).into()),
        Field::shown(Column::text("process", 3), |of| of.process(of.pid()).into()),
        Field::data("mapping", |of| mapping(of).map(name_of).into()),
        // Where in the mapping or its file the page lies.
        Field::data("offset_bytes", |of| offset_bytes(of).into()),
        Field::shown(Column::text("mapping", 2), |of| {
            let (Some(row), Some(offset)) = (mapping(of), offset_bytes(of)) else {
                return "(unknown)".into();
            };
            let path = name_of(row).name.0;
            let name = path.rsplit(|&byte| byte == b'/').next();
            Label::new(name.unwrap_or_default(), Keep::End)
                .marked(format!("+{offset:#x}"))
                .into()
        }),
        // Faults at the page after its first.
        Field::data("refaults", |of| {
            Value::Count(of.group.count.saturating_sub(1))
        })
        .and_shown(Column::number("refaults", 1)),
    ],
);

/// The mapping of the newest fault that has one.
fn mapping<'a>(of: &Of<'a>) -> Option<&'a MappingRow> {
    let id = of.group.mapping_id?;
    of.tables.mapping_of(id)
}

fn offset_bytes(of: &Of<'_>) -> Option<u64> {
    Some(mapping(of)?.offset_of(of.page_address()))
}
