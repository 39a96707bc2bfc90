//! What goes on, on standard error: a line while faults come in, a bar while they are read.

use std::{
    cell::Cell,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{messages, model::Run, render::units};

/// How often the progress line is drawn.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// Elapsed, faults, rate, dropped: a line that is drawn anew; nothing where standard error is not a terminal.
pub(crate) struct ProgressLine {
    bar: ProgressBar,
    last: Option<(Duration, u64)>,
    /// When it is drawn again.
    next: Duration,
}

impl ProgressLine {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        messages::interrupt(&bar);
        Self {
            bar,
            last: None,
            next: Duration::ZERO,
        }
    }

    /// Whether it is time to draw it, and anybody sees it.
    pub(crate) fn is_due(&mut self, elapsed: Duration) -> bool {
        let is_due = elapsed >= self.next && !self.bar.is_hidden();
        if is_due {
            self.next = elapsed + SHOW_EVERY;
        }
        is_due
    }

    /// Draws the line.
    pub(crate) fn show(&mut self, elapsed: Duration, run: &Run) {
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

    /// Draws how many places in code have no name yet.
    pub(crate) fn naming(&self, left: usize) {
        let left = units::counted(left as u64, "place", "places");
        self.bar
            .set_message(format!("naming functions, {left} left"));
        self.bar.tick();
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// What takes less is over before anybody wonders.
const PATIENCE: Duration = Duration::from_millis(500);

/// When something is written to standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// While faults are read.
    Meanwhile,
    AtTheEnd,
}

/// How far the reading of a recording has come: a bar that goes away in the end; nothing where standard
/// error is not a terminal.
pub(crate) struct ReadingBar {
    bar: ProgressBar,
    started: Instant,
    /// And not there yet.
    is_wanted: Cell<bool>,
}

impl ReadingBar {
    /// Of so many faults; none while they are written to the same terminal.
    pub(crate) fn new(faults: u64, output: Output) -> Self {
        let bar = ProgressBar::with_draw_target(Some(faults), ProgressDrawTarget::hidden());
        let template = "{bar:30} {percent:>3}% of {human_len} faults, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        messages::interrupt(&bar);
        Self {
            bar,
            started: Instant::now(),
            is_wanted: Cell::new(output == Output::AtTheEnd || !io::stdout().is_terminal()),
        }
    }

    /// So many more were read.
    pub(crate) fn advance(&self, faults: u64) {
        self.bar.inc(faults);
        if self.is_wanted.get() && self.started.elapsed() > PATIENCE {
            self.is_wanted.set(false);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for ReadingBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
