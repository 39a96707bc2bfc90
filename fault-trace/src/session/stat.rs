//! `fault-trace stat`: counts in the kernel alone.

use std::time::Duration;

use super::{
    live::{self, Progress, Sink},
    output, prepare,
    progress::ProgressLine,
};
use crate::{
    analysis::Report,
    exit::Exit,
    model::Event,
    options::{CaptureOptions, StatOptions},
};

struct Counter {
    options: StatOptions,
    progress: ProgressLine,
    next: Duration,
}

/// How often the progress line is drawn.
const SHOW_EVERY: Duration = Duration::from_millis(500);

impl Sink for Counter {
    fn events(&mut self, _events: Vec<Event>) -> anyhow::Result<()> {
        Ok(())
    }

    fn tick(&mut self, progress: &mut Progress<'_>) -> anyhow::Result<()> {
        if progress.elapsed < self.next {
            return Ok(());
        }
        if let Some(interval) = self.options.interval {
            self.next += interval;
            let report = Report::new(&progress.run()?);
            output::report_so_far(&report, self.options.format)?;
        } else {
            self.next = progress.elapsed + SHOW_EVERY;
            if self.progress.is_visible() {
                let run = progress.run()?;
                self.progress.show(progress.elapsed, &run);
            }
        }
        Ok(())
    }
}

pub(super) fn run(capture: &CaptureOptions, options: &StatOptions) -> anyhow::Result<Exit> {
    let prepared = prepare::prepare(capture, false)?;
    let mut counter = Counter {
        options: *options,
        progress: ProgressLine::new(),
        next: options.interval.unwrap_or_default(),
    };
    let ended = live::run(prepared, capture, &mut counter);
    counter.progress.clear();
    let (run, outcome) = ended?;
    outcome?;
    output::report(&Report::new(&run), options.format)?;
    Ok(run.exit_status.map_or(Exit::Fine, Exit::Command))
}
