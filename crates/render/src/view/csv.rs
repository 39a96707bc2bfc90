//! A view as CSV: plain numbers, units in the header.

use crate::csv::{self, Cells, CsvError, or_empty, text, write};
use fault_trace_analysis::{
    View,
    resident::Resident,
    sampling::Estimated,
    view::{Figures, Subject, Value},
};

const RESIDENT: &Cells<Resident> = &[
    ("resident_pages", |resident| resident.pages().to_string()),
    ("resident_bound", |resident| {
        resident.bound().name().to_owned()
    }),
    ("resident_at_least_pages", |resident| {
        resident.at_least.to_string()
    }),
    ("resident_at_most_pages", |resident| {
        or_empty(resident.at_most)
    }),
];

/// Empty cells unless the recorded faults are a random sample.
const ESTIMATED: &Cells<Estimated> = &[
    ("estimated_count", |all| all.count.to_string()),
    ("estimated_count_error", |all| all.count_error.to_string()),
    ("estimated_latency_ns", |all| all.latency_ns.to_string()),
    ("estimated_latency_error", |all| {
        all.latency_error.to_string()
    }),
];

/// A row a group, and one for those that are not shown, `(rest)`: the columns add up to all faults of
/// the view. What is not known is an empty cell.
///
/// # Errors
/// None that a view can cause; the library's writer asks for it.
pub fn view(view: &View) -> Result<Vec<u8>, CsvError> {
    let fields = view.by.definition().fields.iter();
    let keys: Vec<&str> = fields
        .filter(|field| field.in_csv)
        .map(|field| field.name)
        .collect();
    let header: Vec<&str> = keys
        .iter()
        .copied()
        .chain(csv::titles(csv::COUNTS))
        .chain(csv::titles(RESIDENT))
        .chain(csv::titles(csv::LATENCIES))
        .chain(csv::titles(ESTIMATED))
        .collect();
    let rows = view.rows.iter().map(|row| {
        let mut cells = cells(&row.subject);
        cells.extend(figures(&row.figures));
        cells
    });
    let rest = view.rest.iter().map(|rest| {
        let mut cells = vec![String::new(); keys.len()];
        cells[0] = "(rest)".to_owned();
        cells.extend(figures(&rest.figures));
        cells
    });
    write(&header, rows.chain(rest))
}

fn cells(subject: &Subject) -> Vec<String> {
    let values = subject.values().filter(|(field, _)| field.in_csv);
    values.map(|(_, value)| cell(value)).collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Absent | Value::Unknown => String::new(),
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) | Value::Count(number) | Value::Moment(number, _) => {
            number.to_string()
        }
        Value::Address(address) => format!("{:#x}", address.0),
        Value::Label(label) => text(&label.name.0).into_owned(),
        Value::Frames(frames) => {
            let functions = frames.iter().map(|frame| text(frame.function.as_bytes()));
            functions.collect::<Vec<_>>().join(";")
        }
        Value::Inclusive(inclusive) => inclusive.count.to_string(),
    }
}

fn figures(figures: &Figures) -> impl Iterator<Item = String> {
    csv::cells(csv::COUNTS, Some(&figures.tally))
        .chain(csv::cells(RESIDENT, Some(&figures.resident)))
        .chain(csv::cells(
            csv::LATENCIES,
            figures.tally.latency_ns.as_ref(),
        ))
        .chain(csv::cells(ESTIMATED, figures.estimated.as_ref()))
}
