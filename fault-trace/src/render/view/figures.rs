//! The columns of figures that every view has.

use crate::{
    analysis::{resident::Bound, sampling::Estimated, view::Figures},
    render::{
        style::Paint,
        table::{Cell, Column},
        units::{self, count, duration_aligned, share},
    },
};

const fn column(title: &'static str, drop: u8) -> Column {
    Column {
        title,
        left: false,
        drop,
    }
}

pub(super) const COLUMNS: [Column; 12] = [
    column("faults", 0),
    column("of the run's", 1),
    column("share", 4),
    column("major", 3),
    Column {
        title: "mostly",
        left: true,
        drop: 7,
    },
    column("resident", 1),
    column("time", 0),
    column("share", 9),
    column("mean", 10),
    column("p50", 6),
    column("p99", 2),
    column("max", 5),
];

pub(super) fn cells(figures: &Figures, total: &Figures) -> Vec<Cell> {
    let tally = &figures.tally;
    let number = |number: u64, text: String| match number {
        0 => Cell::none(),
        _ => Cell::new(text),
    };
    let latency =
        |ns: Option<u64>| ns.map_or_else(Cell::none, |ns| Cell::new(duration_aligned(ns)));
    let latency_ns = tally.latency_ns;
    vec![
        Cell::new(count(tally.count)),
        figures.estimated.map_or_else(Cell::none, estimate),
        Cell::new(share(tally.count, total.tally.count)),
        number(tally.major, count(tally.major)),
        mostly(figures),
        Cell::new(resident(figures)),
        latency(latency_ns.map(|latency| latency.sum)),
        number(
            tally.time_ns(),
            share(tally.time_ns(), total.tally.time_ns()),
        ),
        latency(latency_ns.map(|latency| latency.mean.round() as u64)),
        latency(latency_ns.map(|latency| latency.p50)),
        latency(latency_ns.map(|latency| latency.p99)),
        latency(latency_ns.map(|latency| latency.max)),
    ]
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
