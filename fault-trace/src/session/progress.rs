//! The progress line on standard error: elapsed, faults, rate, dropped.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::{model::Run, render::units};

/// A line that is drawn anew; nothing where standard error is not a terminal.
pub(super) struct ProgressLine {
    bar: ProgressBar,
    last: Option<(Duration, u64)>,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self { bar, last: None }
    }

    /// Whether anybody sees it.
    pub(super) fn is_visible(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Draws the line.
    pub(super) fn show(&mut self, elapsed: Duration, run: &Run) {
        let counts = &run.totals.counts;
        let (then, before) = self.last.unwrap_or_default();
        let seconds = elapsed.saturating_sub(then).as_secs_f64();
        let rate = if seconds > 0.0 {
            counts.started.saturating_sub(before) as f64 / seconds
        } else {
            0.0
        };
        self.last = Some((elapsed, counts.started));
        let mut line = format!(
            "{:.0} s, {} faults, {} a second",
            elapsed.as_secs_f64(),
            units::count(counts.started),
            units::count(rate as u64),
        );
        if counts.dropped != 0 {
            line += &format!(", {} dropped", units::count(counts.dropped));
        }
        self.bar.set_message(line);
        self.bar.tick();
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
