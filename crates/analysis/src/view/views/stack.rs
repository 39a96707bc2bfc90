//! Faults by the calls that led to them.

use crate::{
    tables::Frame,
    view::{
        definition::{Definition, Missing},
        field::{Column, Field},
        of::Of,
        value::{FrameRow, Keep, Label, Value},
    },
};
use fault_trace_model as model;
use fault_trace_model::Fields;

pub(super) static VIEW: Definition = Definition {
    needs: Some(Missing::Stacks),
    looks_at_stacks: true,
    ..Definition::new(
        "stack",
        ["stack", "stacks"],
        Fields::of(&[model::Field::Stack]),
        |_, fault| ((0, fault.stack_id.unwrap_or(0).into()), None),
        &[
            Field::data("stack_id", |of| of.id().into()),
            // Whether it seems not to lead back to where its thread started.
            Field::data("truncated", |of| is_truncated(of).into()),
            Field::shown(Column::key("stack"), |of| {
                let name = match (of.id(), frames(of).next()) {
                    (None, _) => "[no stack]".into(),
                    (Some(_), None) => "(unknown)".into(),
                    (Some(_), Some(innermost)) => innermost.name(),
                };
                let mark = if is_truncated(of) { " (truncated)" } else { "" };
                Label::new(&*name, Keep::Start).marked(mark).into()
            }),
            Field::data("frames", |of| {
                Value::Frames(frames(of).map(FrameRow::from).collect())
            }),
        ],
    )
};

fn is_truncated(of: &Of<'_>) -> bool {
    of.id().is_some_and(|id| of.tables.is_truncated(id))
}

/// Innermost first.
fn frames<'a>(of: &Of<'a>) -> impl Iterator<Item = Frame<'a>> {
    let tables = of.tables;
    let locations = of.id().and_then(|id| tables.stack_of(id));
    let locations = locations.unwrap_or_default().iter();
    locations.flat_map(|&id| tables.frames(id))
}
