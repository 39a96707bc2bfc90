//! Faults by the function that took them.

use crate::{
    tables::Frame,
    view::{
        definition::{Definition, Missing},
        field::{Column, Field},
        of::Of,
        value::{Keep, Label, Value},
    },
};
use fault_trace_model as model;
use fault_trace_model::Fields;

pub(super) static VIEW: Definition = Definition {
    needs: Some(Missing::Locations),
    looks_at_stacks: true,
    has_inclusive: true,
    ..Definition::new(
        "function",
        ["function", "functions"],
        Fields::of(&[model::Field::Location, model::Field::Stack]),
        |keys, fault| ((0, keys.location(fault.location_id).into()), None),
        &[
            Field::data("function", |of| {
                known(of, |frame| Label::new(&*frame.name(), Keep::Start).into())
            })
            .and_shown(Column::key("function")),
            Field::data("module", |of| known(of, |frame| frame.module.into())),
            Field::shown(Column::text("module", 3), |of| {
                known(of, |frame| frame.module_name().into())
            }),
            Field::data("kind", |of| known(of, |frame| frame.kind.name().into())),
            Field::data("source_file", |of| {
                known(of, |frame| frame.source_file.into())
            }),
            Field::data("source_line", |of| {
                known(of, |frame| frame.source_line.into())
            }),
            Field::shown(Column::text("source", 8), |of| {
                let source = of.function().and_then(|frame| frame.source());
                let name = source.as_deref().and_then(|path| path.rsplit('/').next());
                name.into()
            }),
            Field::json("inlined", |of| known(of, |frame| frame.inlined.into())),
            Field::json("inclusive", |of| {
                of.inclusive().map(Value::Inclusive).into()
            }),
            Field::csv("inclusive_count", |of| {
                of.inclusive().map(|all| Value::Count(all.count)).into()
            })
            .and_shown(Column::number("inclusive", 1)),
            Field::csv("inclusive_time_ns", |of| {
                of.inclusive().map(|all| all.time_ns).into()
            }),
        ],
    )
};

/// What is known of the function; nothing where it is not known itself.
fn known(of: &Of<'_>, value: impl Fn(Frame<'_>) -> Value) -> Value {
    of.function().map_or(Value::Absent, value)
}
