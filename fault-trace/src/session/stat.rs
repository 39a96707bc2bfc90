//! `fault-trace stat`: counts in the kernel alone.

use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::{
    analysis::Report,
    calibration,
    exit::Exit,
    host::signals::{self, Stage},
    live::{self, Progress, Sink},
    model::Batch,
    options::{CaptureOptions, Format, StatOptions, Target},
    output::{self, Destination, Wanted, progress::ProgressLine},
};

struct Counter {
    interval: Option<Duration>,
    format: Format,
    destination: Destination,
    /// Why the totals so far could not be written.
    failure: Option<anyhow::Error>,
    /// Whether a launched command is waited for all the same: its status is wanted.
    goes_on: bool,
    progress: ProgressLine,
    next: Duration,
}

impl Sink for Counter {
    fn events(&mut self, _batch: &mut Batch, _all: bool) -> anyhow::Result<()> {
        Ok(())
    }

    fn wants_symbols_live(&self) -> bool {
        false
    }

    fn tick(&mut self, progress: &mut Progress<'_>) -> anyhow::Result<()> {
        let Some(interval) = self.interval else {
            if self.progress.is_due(progress.elapsed) {
                let run = progress.run()?;
                self.progress.show(progress.elapsed, &run);
            }
            return Ok(());
        };
        if progress.elapsed < self.next {
            return Ok(());
        }
        self.next += interval;
        if self.failure.is_none() {
            let report = Report::new(&progress.run()?);
            let written = self.destination.write(&report, self.format, true);
            self.failure = written.err();
        }
        if self.failure.is_some() && !self.goes_on {
            return Err(anyhow!("the totals cannot be written"));
        }
        Ok(())
    }
}

pub(super) fn run(capture: &CaptureOptions, options: StatOptions) -> anyhow::Result<Exit> {
    signals::listen().context("cannot listen for signals")?;
    let prepared = live::prepare(capture)?;
    let mut counter = Counter {
        interval: options.interval,
        format: options.format,
        destination: Destination::new(
            options.output,
            match options.interval {
                Some(_) => Wanted::Meanwhile,
                None => Wanted::AtTheEnd,
            },
        )?,
        failure: None,
        goes_on: matches!(capture.target, Target::Launch(_)),
        progress: ProgressLine::new(),
        next: options.interval.unwrap_or_default(),
    };
    let ended = live::run(prepared, capture, &mut counter);
    counter.progress.clear();
    let (mut run, outcome) = ended?;
    let calibrated = match &outcome {
        Ok(()) if options.calibrate => calibration::add_to(&mut run, capture),
        _ => Ok(()),
    };
    let report = Report::new(&run);
    let written = counter.destination.finish(&report, options.format);
    let shown = counter.failure.map_or(written, Err);
    signals::enter(Stage::Over);
    output::end(&run, shown.and(outcome).and(calibrated))
}
