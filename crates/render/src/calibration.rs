//! A calibration as a table.

use super::{
    style::{Paint, Style},
    table::{self, Cell, Column},
    units::{count, duration},
};
use fault_trace_model::{Calibration, calibration::Spread};

const fn column(title: &'static str, left: bool, drop: u8) -> Column {
    Column { title, left, drop }
}

const COLUMNS: [Column; 8] = [
    column("mode", true, 0),
    column("whole fault", false, 0),
    column("quartiles", false, 1),
    column("tracing adds", false, 0),
    column("reported", false, 0),
    column("covers", false, 0),
    column("left out", false, 0),
    column("correction", false, 0),
];

const MEANING: &str = "whole fault: by the clock before and after the access, as the program sees it. \
    reported: START to END. left out: the rest of the whole fault while traced, which is the entry and \
    exit of the exception, the unlock, and what the tracer does outside START to END. correction: added \
    to a reported latency it estimates the whole fault without the tracer. It holds for minor faults on \
    anonymous memory, on this machine, under the load that it has now.";

/// The table with what it means, each line ending in a newline.
#[must_use]
pub fn calibration(calibration: &Calibration, width: usize, style: Style) -> String {
    let mut rows = vec![vec![
        Cell::painted(Paint::Strong, "untraced"),
        Cell::new(time(calibration.untraced_ns.median)),
        Cell::new(quartiles(calibration.untraced_ns)),
        Cell::none(),
        Cell::none(),
        Cell::none(),
        Cell::none(),
        Cell::none(),
    ]];
    rows.extend(calibration.modes.iter().map(|mode| {
        vec![
            Cell::painted(Paint::Strong, mode.mode.as_str()),
            Cell::new(time(mode.whole_ns.median)),
            Cell::new(quartiles(mode.whole_ns)),
            Cell::new(signed(mode.added_ns.median)),
            Cell::new(time(mode.reported_ns.median)),
            Cell::new(format!("{:.0}%", mode.covered() * 100.0)),
            Cell::new(time(mode.left_out_ns.median)),
            Cell::new(format!(
                "{} ({} to {})",
                signed(mode.correction_ns.median),
                signed(mode.correction_ns.lower),
                signed(mode.correction_ns.upper)
            )),
        ]
    }));
    let title = style.paint(Paint::Strong, "Calibration");
    let head = format!(
        "{title}: medians of {} rounds of {} faults on CPU {}, without the clock's own {}\n",
        calibration.rounds,
        count(calibration.faults.into()),
        calibration.cpu,
        duration(calibration.clock_ns)
    );
    let wrap = textwrap::Options::new(width)
        .initial_indent("  ")
        .subsequent_indent("  ");
    let meaning = textwrap::wrap(MEANING, wrap);
    let meaning = meaning
        .iter()
        .map(|line| style.paint(Paint::Dim, line) + "\n");
    head + &table::table(&COLUMNS, &rows, width, style) + &meaning.collect::<String>()
}

fn time(ns: i64) -> String {
    match u64::try_from(ns) {
        Ok(ns) => duration(ns),
        Err(_) => signed(ns),
    }
}

/// A difference with its sign.
pub(super) fn signed(ns: i64) -> String {
    let sign = if ns < 0 { '-' } else { '+' };
    format!("{sign}{}", duration(ns.unsigned_abs()))
}

fn quartiles(spread: Spread) -> String {
    format!("{} to {}", time(spread.lower), time(spread.upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_model::sample;

    #[test]
    fn each_mode_has_a_row_and_every_figure_a_meaning() {
        let calibrated = sample::calibration(-120);
        insta::assert_snapshot!(calibration(&calibrated, 110, Style::default()));
    }
}
