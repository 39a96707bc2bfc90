//! Faults by process.

use crate::view::{
    definition::Definition,
    field::{Column, Field},
};
use fault_trace_model as model;
use fault_trace_model::Fields;

pub(super) static VIEW: Definition = Definition::new(
    "process",
    ["process", "processes"],
    Fields::of(&[model::Field::Pid]),
    |_, fault| ((fault.pid, 0), None),
    &[
        Field::data("pid", |of| of.pid().into()).and_shown(Column::id("pid", 0)),
        Field::data("comm", |of| of.comm(of.pid()).into()).and_shown(Column::key("process")),
    ],
);
