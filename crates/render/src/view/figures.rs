//! The columns of figures that every view has.

use crate::{
    style::Paint,
    table::{Cell, Column},
    units::{self, count, duration_aligned, share},
};
use fault_trace_analysis::{resident::Bound, sampling::Estimated, view::Figures};

/// A column, and its cell for some faults out of all.
type Figure = (Column, fn(&Figures, &Figures) -> Cell);

const fn number(title: &'static str, drop: u8) -> Column {
    Column {
        title,
        left: false,
        drop,
    }
}

const FIGURES: [Figure; 12] = [
    (number("faults", 0), |some, _| {
        Cell::new(count(some.tally.count))
    }),
    (number("of the run's", 1), |some, _| {
        some.estimated.map_or_else(Cell::none, estimate)
    }),
    (number("share", 4), |some, all| {
        Cell::new(share(some.tally.count, all.tally.count))
    }),
    (number("major", 3), |some, _| {
        unless_zero(some.tally.major, count)
    }),
    (
        Column {
            title: "mostly",
            left: true,
            drop: 7,
        },
        |some, _| mostly(some),
    ),
    (number("resident", 1), |some, _| Cell::new(resident(some))),
    (number("time", 0), |some, _| {
        latency(some.tally.latency_ns.map(|ns| ns.sum))
    }),
    (number("share", 9), |some, all| {
        unless_zero(some.tally.time_ns(), |time_ns| {
            share(time_ns, all.tally.time_ns())
        })
    }),
    (number("mean", 10), |some, _| {
        latency(some.tally.latency_ns.map(|ns| ns.mean.round() as u64))
    }),
    (number("p50", 6), |some, _| {
        latency(some.tally.latency_ns.map(|ns| ns.p50))
    }),
    (number("p99", 2), |some, _| {
        latency(some.tally.latency_ns.map(|ns| ns.p99))
    }),
    (number("max", 5), |some, _| {
        latency(some.tally.latency_ns.map(|ns| ns.max))
    }),
];

pub(super) fn columns() -> impl Iterator<Item = Column> {
    FIGURES.into_iter().map(|(column, _)| column)
}

pub(super) fn cells<'a>(some: &'a Figures, all: &'a Figures) -> impl Iterator<Item = Cell> {
    FIGURES.into_iter().map(|(_, cell)| cell(some, all))
}

fn unless_zero(number: u64, text: impl Fn(u64) -> String) -> Cell {
    match number {
        0 => Cell::none(),
        _ => Cell::new(text(number)),
    }
}

fn latency(ns: Option<u64>) -> Cell {
    ns.map_or_else(Cell::none, |ns| Cell::new(duration_aligned(ns)))
}

/// How many faults the recorded ones stand for, and how far off that may be.
fn estimate(all: Estimated) -> Cell {
    let number = count(all.count);
    let error = all.count_error * 100.0;
    Cell::new(if error > 0.0 {
        format!("≈ {number} ±{error:.0}%")
    } else {
        number
    })
}

/// The most frequent class, with its share if there are others.
fn mostly(figures: &Figures) -> Cell {
    match figures.classes.as_slice() {
        [] => Cell::none(),
        [(class, _)] => Cell::new(class.name()),
        [(class, most), ..] => Cell::painted(
            Paint::Plain,
            format!("{} {}", class.name(), share(*most, figures.tally.count)),
        ),
    }
}

/// The size of what became resident, marked where it is a bound.
pub(super) fn resident(figures: &Figures) -> String {
    let size = match figures.resident_bytes {
        0 => "0".to_owned(),
        bytes => units::bytes(bytes),
    };
    match figures.resident.bound() {
        Bound::Exact => size,
        Bound::AtMost => format!("≤ {size}"),
        Bound::AtLeast => format!("≥ {size}"),
    }
}
