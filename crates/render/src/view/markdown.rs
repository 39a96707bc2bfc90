//! A view as a Markdown table.

use std::fmt::Write as _;

use super::{columns, figures};
use crate::{markdown::escape, table::Cell, units::count};
use fault_trace_analysis::{View, view::Figures};

/// No name is cut in Markdown.
const WIDTH: usize = 4096;

/// A Markdown table of the view's rows, the remainder and the sum.
#[must_use]
pub fn view(view: &View) -> String {
    let keys = columns::columns(view.by);
    let mut out = String::from("|");
    let mut rule = String::from("|");
    for column in keys.iter().copied().chain(figures::columns()) {
        // Writing to a String cannot fail.
        let _ = write!(out, " {} |", column.title);
        rule += if column.left { ":--|" } else { "--:|" };
    }
    out = format!("{out}\n{rule}\n");
    for row in &view.rows {
        line(
            &mut out,
            columns::cells(&row.subject, WIDTH),
            &row.figures,
            view,
        );
    }
    let named = |name: String| {
        let mut cells = vec![Cell::default(); keys.len()];
        cells[0].text = name;
        cells
    };
    if let Some(rest) = &view.rest {
        let name = format!("({} more)", count(rest.groups));
        line(&mut out, named(name), &rest.figures, view);
    }
    line(&mut out, named("all".to_owned()), &view.total, view);
    out
}

fn line(out: &mut String, keys: Vec<Cell>, figures: &Figures, view: &View) {
    out.push('|');
    for cell in keys.into_iter().chain(figures::cells(figures, &view.total)) {
        let text = escape(cell.text.trim());
        let _ = write!(out, " {text} |");
    }
    out.push('\n');
}
