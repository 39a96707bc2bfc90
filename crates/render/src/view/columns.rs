//! The columns that tell what a row of a view stands for.

use super::names::{UNKNOWN, head, seconds, tail};
use crate::{
    sanitize::sanitize,
    style::Paint,
    table::{Cell, Column},
    units,
};
use fault_trace_analysis::view::{self, By, Emphasis, Keep, Label, Subject, Value};

/// The columns of a view.
pub(super) fn columns(by: By) -> Vec<Column> {
    let fields = by.definition().fields.iter();
    let columns = fields.filter_map(|field| field.column);
    let column = |column: view::Column| Column {
        title: column.title,
        left: column.left,
        drop: column.drop,
    };
    columns.map(column).collect()
}

/// What stands in them, where the terminal has `width` columns.
pub(super) fn cells(subject: &Subject, width: usize) -> Vec<Cell> {
    let room = width * 3 / 10;
    let shown = subject
        .values()
        .filter_map(|(field, value)| Some((field.column?.emphasis, value)));
    shown
        .map(|(emphasis, value)| cell(emphasis, value, room))
        .collect()
}

fn cell(emphasis: Emphasis, value: &Value, room: usize) -> Cell {
    let paint = match emphasis {
        Emphasis::Strong => Paint::Strong,
        Emphasis::Plain => Paint::Plain,
        Emphasis::Faint => Paint::Dim,
    };
    let text = match value {
        Value::Absent | Value::Unknown if emphasis == Emphasis::Strong => UNKNOWN.to_owned(),
        Value::Absent | Value::Unknown | Value::Count(0) => return Cell::none(),
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Count(number) => units::count(*number),
        Value::Address(address) => format!("{:#x}", address.0),
        Value::Label(label) => shown(label, room),
        Value::Frames(frames) => units::count(frames.len() as u64),
        Value::Inclusive(inclusive) => units::count(inclusive.count),
        Value::Moment(from_ns, step_ns) => seconds(*from_ns, *step_ns),
    };
    Cell::painted(paint, text)
}

fn shown(label: &Label, room: usize) -> String {
    let name = sanitize(&label.name.0);
    let name = match label.keep {
        Keep::Start => head(&name, room),
        Keep::End => tail(&name, room),
        Keep::Everything => name.into_owned(),
    };
    name + &sanitize(label.mark.as_bytes())
}
