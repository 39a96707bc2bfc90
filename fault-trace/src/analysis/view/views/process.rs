//! Faults by process.

use crate::{
    analysis::view::{
        definition::Definition,
        field::{Column, Field},
    },
    model::{self, Fields},
};

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
