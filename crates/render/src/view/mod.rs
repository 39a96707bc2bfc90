//! A view of a recording as text.

mod columns;
pub mod csv;
mod figures;
pub mod markdown;
mod names;
mod notes;

use super::{
    SummaryOptions, headline,
    style::Paint,
    table::{self, Cell},
    units::counted,
};
use fault_trace_analysis::{
    Report, View,
    view::{Figures, FrameRow, Value},
};

/// As in the summary.
const WIDEST: usize = 160;
const NARROWEST: usize = 60;

/// The view as text, ending in a newline: whose faults, of how many, the table, what its marks mean.
#[must_use]
pub fn view(report: &Report, view: &View, options: SummaryOptions) -> String {
    let width = options.width.clamp(NARROWEST, WIDEST);
    let options = SummaryOptions { width, ..options };
    let mut out = headline::headline(report, options.style);
    out += &notes::coverage(report, view, options);
    if view.faults > 0 {
        out.push('\n');
        out += &rows(view, options);
        out += &notes::marks(report, view, options);
    }
    out
}

fn rows(view: &View, options: SummaryOptions) -> String {
    let keys = columns::columns(view.by);
    let mut columns: Vec<table::Column> = keys.iter().copied().chain(figures::columns()).collect();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for row in &view.rows {
        let mut cells = columns::cells(&row.subject, options.width);
        cells.extend(figures::cells(&row.figures, &view.total));
        rows.push(cells);
    }
    if let Some(rest) = &view.rest {
        let more = match rest.groups {
            0 => "(other)".to_owned(),
            groups => format!("({} more)", super::units::count(groups)),
        };
        rows.push(footer(more, keys.len(), &rest.figures, view));
    }
    if rows.len() > 1 {
        rows.push(footer("all".to_owned(), keys.len(), &view.total, view));
    }
    // The number of faults is never empty, what it stands for in a sampled run mostly is.
    leave_out_empty(&mut columns, &mut rows, keys.len() + 2);
    let table = table::table(&columns, &rows, options.width, options.style);
    let mut lines = table.lines();
    let mut out = String::new();
    let push = |out: &mut String, line: Option<&str>| {
        out.extend(line.into_iter().chain(["\n"]));
    };
    push(&mut out, lines.next());
    for row in &view.rows {
        push(&mut out, lines.next());
        for (_, value) in row.subject.values() {
            if let Value::Frames(frames) = value {
                out += &frames_below(frames, options);
            }
        }
    }
    for line in lines {
        push(&mut out, Some(line));
    }
    out
}

/// Leaves out those of the first columns in which no row has anything.
fn leave_out_empty(columns: &mut Vec<table::Column>, rows: &mut [Vec<Cell>], first: usize) {
    for index in (0..first).rev() {
        let is_empty = |row: &Vec<Cell>| matches!(&*row[index].text, "" | "-");
        if rows.iter().all(is_empty) {
            columns.remove(index);
            for row in &mut *rows {
                row.remove(index);
            }
        }
    }
}

/// A row that stands for several: what they are, in the first text column.
fn footer(name: String, keys: usize, figures: &Figures, view: &View) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); keys];
    let columns = columns::columns(view.by);
    let first = columns.iter().position(|column| column.left).unwrap_or(0);
    cells[first] = Cell::painted(Paint::Dim, name);
    cells.extend(figures::cells(figures, &view.total));
    cells
}

/// The frames of a stack beneath its row, one a line, innermost first.
fn frames_below(frames: &[FrameRow], options: SummaryOptions) -> String {
    let mut out = String::new();
    for frame in frames {
        let line = format!("      {}", names::frame(frame));
        let line = table::cut(&line, options.width);
        out += &options.style.paint(Paint::Dim, &line);
        out.push('\n');
    }
    out
}

/// `5 processes`, `1 page`.
fn groups(view: &View, groups: u64) -> String {
    let [one, many] = view.by.definition().groups;
    counted(groups, one, many)
}

#[cfg(test)]
mod tests;
