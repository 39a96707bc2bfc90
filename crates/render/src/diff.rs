//! Two runs beside each other.

use std::cmp::Reverse;

use super::{
    SummaryOptions, headline,
    style::Paint,
    table::{self, Cell, Column},
    units::{count, duration_aligned},
};
use fault_trace_analysis::{Diff, Tally};

const fn column(title: &'static str, drop: u8) -> Column {
    Column {
        title,
        left: false,
        drop,
    }
}

const COLUMNS: [Column; 9] = [
    Column {
        title: "class",
        left: true,
        drop: 0,
    },
    column("faults A", 0),
    column("faults B", 0),
    column("change", 0),
    column("time A", 0),
    column("time B", 0),
    column("change", 0),
    column("p99 A", 1),
    column("p99 B", 1),
];

/// What was traced in A and in B, and a row a class with its faults and their time in both, the
/// largest change of time first.
#[must_use]
pub fn diff(diff: &Diff<'_>, options: SummaryOptions) -> String {
    let style = options.style;
    let mut out = String::new();
    for (name, report) in [("A", diff.before), ("B", diff.after)] {
        out += &format!("{name} {}", headline::headline(report, style));
    }
    let mut classes = diff.classes.clone();
    classes.sort_by_key(|row| Reverse(time_ns(row.before).abs_diff(time_ns(row.after))));
    let mut rows: Vec<Vec<Cell>> = classes
        .iter()
        .map(|row| cells(Paint::Strong, row.class.name(), row.before, row.after))
        .collect();
    let (before, after) = (&diff.before.total, &diff.after.total);
    rows.push(cells(Paint::Dim, "all", Some(before), Some(after)));
    out.push('\n');
    out + &table::table(&COLUMNS, &rows, options.width, style)
}

fn time_ns(tally: Option<&Tally>) -> u64 {
    tally.map_or(0, Tally::time_ns)
}

fn cells(paint: Paint, name: &str, before: Option<&Tally>, after: Option<&Tally>) -> Vec<Cell> {
    let faults = |tally: Option<&Tally>| tally.map_or(0, |tally| tally.count);
    let number = |tally| match faults(tally) {
        0 => Cell::none(),
        faults => Cell::new(count(faults)),
    };
    let ns = |ns: Option<u64>| match ns {
        None | Some(0) => Cell::none(),
        Some(ns) => Cell::new(duration_aligned(ns)),
    };
    let p99 = |tally: Option<&Tally>| {
        let latency_ns = tally.and_then(|tally| tally.latency_ns);
        ns(latency_ns.map(|latency| latency.p99))
    };
    vec![
        Cell::painted(paint, name),
        number(before),
        number(after),
        change(faults(before), faults(after)),
        ns(Some(time_ns(before))),
        ns(Some(time_ns(after))),
        change(time_ns(before), time_ns(after)),
        p99(before),
        p99(after),
    ]
}

/// By how much `after` differs: in percent, beyond three times as a factor.
fn change(before: u64, after: u64) -> Cell {
    if before == after {
        return Cell::painted(Paint::Dim, "=");
    }
    if before == 0 {
        return Cell::painted(Paint::Warn, "new");
    }
    if after == 0 {
        return Cell::painted(Paint::Strong, "gone");
    }
    let factor = after as f64 / before as f64;
    let paint = if factor > 1.0 {
        Paint::Warn
    } else {
        Paint::Strong
    };
    let text = match factor {
        3.0.. => format!("x{factor:.1}"),
        _ => format!("{:+.1}%", (factor - 1.0) * 100.0),
    };
    Cell::painted(paint, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Style;
    use fault_trace_analysis::Report;
    use fault_trace_common::Class;
    use fault_trace_model::sample;

    #[test]
    fn what_changed_most_comes_first() {
        let (before, mut after) = (sample::database(), sample::database());
        after
            .totals
            .classes
            .retain(|class| class.class != Class::CowAnon);
        after.totals.classes[0] = sample::class(Class::AnonAlloc, 130_000, 1_900);
        after
            .totals
            .classes
            .push(sample::class(Class::SwapIn, 12, 80_000));
        let (before, after) = (Report::new(&before), Report::new(&after));
        let options = SummaryOptions {
            width: 100,
            style: Style::default(),
            live: false,
        };
        insta::assert_snapshot!(diff(&Diff::new(&before, &after), options));
    }

    #[test]
    fn a_change_is_a_share_a_factor_or_a_word() {
        let cases = [
            (5, 5, "="),
            (0, 5, "new"),
            (5, 0, "gone"),
            (100, 110, "+10.0%"),
            (100, 50, "-50.0%"),
            (100, 450, "x4.5"),
        ];
        for (before, after, text) in cases {
            assert_eq!(change(before, after).text, text);
        }
    }
}
