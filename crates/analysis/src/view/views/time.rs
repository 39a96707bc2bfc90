//! Faults by slots of time.

use crate::view::{
    definition::{Definition, SortBy},
    field::{Column, Field},
    value::Value,
};
use fault_trace_model as model;
use fault_trace_model::Fields;

pub(super) static VIEW: Definition = Definition {
    sort: SortBy::Start,
    ..Definition::new(
        "time",
        ["slot of time", "slots of time"],
        Fields::of(&[model::Field::Time]),
        |keys, fault| ((0, keys.window.slot(fault.time_ns)), None),
        &[
            // From the start of the run.
            Field::data("from_ns", |of| {
                let (from_ns, to_ns) = of.slot_ns();
                Value::Moment(from_ns, to_ns.saturating_sub(from_ns))
            })
            .and_shown(Column::number_key("from")),
            // The first moment beyond.
            Field::data("to_ns", |of| of.slot_ns().1.into()),
        ],
    )
};
