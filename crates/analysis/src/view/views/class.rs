//! Faults by class.

use fault_trace_common::Class;

use crate::view::{
    definition::Definition,
    field::{Column, Field},
    of::Of,
};
use fault_trace_model as model;
use fault_trace_model::Fields;

pub(super) static VIEW: Definition = Definition::new(
    "class",
    ["class", "classes"],
    Fields::of(&[model::Field::Class]),
    |_, fault| ((0, fault.class as u64), None),
    &[
        Field::data("class", |of| class(of).name().into()).and_shown(Column::key("class")),
        Field::data("family", |of| class(of).family().name().into()),
    ],
);

fn class(of: &Of<'_>) -> Class {
    let class = u8::try_from(of.key.1).ok().and_then(Class::from_number);
    class.unwrap_or(Class::Unknown)
}
