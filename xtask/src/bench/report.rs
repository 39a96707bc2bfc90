//! The results as a table, and as JSON.

mod json;
mod table;
mod text;

use super::{
    LoadResults, Results,
    measure::Sample,
    modes::{FLOOR, PERF_RECORD, UNTRACED},
    setting::Load,
    statistics::{Spread, spread},
};

pub(super) use json::json;
pub(super) use text::text;

/// What the rounds of a mode say together.
struct Summary {
    /// ns a fault.
    touch_ns: Spread,
    /// ns a fault beyond the untraced workload's in the same round.
    added_ns: Spread,
    /// ns a page unmapped beyond the untraced workload's; with [`Load::Idle`] ns a system call.
    other_added_ns: Spread,
    /// Added cost as a multiple of another mode's in the same round.
    to_floor: Option<Spread>,
    to_perf_record: Option<Spread>,
    tracer_ns: Option<Spread>,
    bytes_per_fault: Option<Spread>,
    until_tracing_ms: Option<Spread>,
    /// Over all rounds.
    dropped: Option<u64>,
}

pub(super) const fn heading(load: Load) -> &'static str {
    match load {
        Load::OneThread => "one thread",
        Load::Threads(_) => "a thread on every CPU",
        Load::Idle => "hardly any fault",
    }
}

/// `None` for a mode that was not measured.
fn summary(results: &Results, load: &LoadResults, mode: usize) -> Option<Summary> {
    let index = |name| results.modes.iter().position(|mode| mode.name == name);
    let added = |round: &[Option<Sample>], mode: usize, value: fn(&Sample) -> f64| {
        let untraced = round[index(UNTRACED)?].as_ref()?;
        Some(value(round[mode].as_ref()?) - value(untraced))
    };
    let rounds = || load.rounds.iter().map(Vec::as_slice);
    let samples = || rounds().filter_map(|round| round[mode].as_ref());
    let touch = |sample: &Sample| sample.touch_ns;
    let ratio_to = |name| {
        let other = index(name).filter(|&other| other != mode)?;
        let ratios = rounds().filter_map(|round| {
            let base = added(round, other, touch)?;
            // A base that noise has swallowed gives no ratio.
            (base > 0.0).then_some(added(round, mode, touch)? / base)
        });
        spread(ratios)
    };
    let recordings = || samples().filter_map(|sample| sample.recording.as_ref());
    let is_traced = results.modes[mode].name != UNTRACED && load.load != Load::Idle;
    Some(Summary {
        touch_ns: spread(samples().map(touch))?,
        added_ns: spread(rounds().filter_map(|round| added(round, mode, touch)))?,
        other_added_ns: spread(
            rounds().filter_map(|round| added(round, mode, |sample| sample.other_ns)),
        )?,
        to_floor: is_traced.then(|| ratio_to(FLOOR)).flatten(),
        to_perf_record: is_traced.then(|| ratio_to(PERF_RECORD)).flatten(),
        tracer_ns: spread(samples().filter_map(|sample| sample.tracer_ns)),
        bytes_per_fault: spread(recordings().map(|recording| recording.bytes_per_fault)),
        until_tracing_ms: spread(
            recordings().map(|recording| recording.until_tracing_ns as f64 / 1e6),
        ),
        dropped: recordings()
            .map(|recording| recording.dropped)
            .reduce(|sum, dropped| sum + dropped),
    })
}
