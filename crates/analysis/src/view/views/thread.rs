//! Faults by thread.

use crate::view::{
    definition::Definition,
    field::{Column, Field},
    of::Of,
};
use fault_trace_model as model;
use fault_trace_model::Fields;

pub(super) static VIEW: Definition = Definition::new(
    "thread",
    ["thread", "threads"],
    Fields::of(&[model::Field::Pid, model::Field::Tid]),
    |_, fault| ((fault.pid, fault.tid.into()), None),
    &[
        Field::data("pid", |of| of.pid().into()).and_shown(Column::id("pid", 4)),
        Field::data("tid", |of| tid(of).into()).and_shown(Column::id("tid", 0)),
        Field::data("comm", |of| {
            of.tables.comm(of.pid(), tid(of), u64::MAX).into()
        })
        .and_shown(Column::key("thread")),
    ],
);

fn tid(of: &Of<'_>) -> u32 {
    of.id().unwrap_or(0)
}
