//! `fault-trace stat`: counts in the kernel alone.

use std::time::Duration;

use super::{
    calibration,
    live::{self, Progress, Sink},
    output::Destination,
    prepare,
    progress::ProgressLine,
};
use crate::{
    analysis::Report,
    exit::Exit,
    model::Batch,
    options::{CaptureOptions, Format, StatOptions},
};

struct Counter {
    interval: Option<Duration>,
    format: Format,
    destination: Destination,
    progress: ProgressLine,
    next: Duration,
}

/// How often the progress line is drawn.
const SHOW_EVERY: Duration = Duration::from_millis(500);

impl Sink for Counter {
    fn events(&mut self, _batch: &mut Batch, _all: bool) -> anyhow::Result<()> {
        Ok(())
    }

    fn wants_symbols_live(&self) -> bool {
        false
    }

    fn tick(&mut self, progress: &mut Progress<'_>) -> anyhow::Result<()> {
        if progress.elapsed < self.next {
            return Ok(());
        }
        if let Some(interval) = self.interval {
            self.next += interval;
            let report = Report::new(&progress.run()?);
            self.destination.write(&report, self.format, true)?;
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

pub(super) fn run(capture: &CaptureOptions, options: StatOptions) -> anyhow::Result<Exit> {
    let prepared = prepare::prepare(capture)?;
    let mut counter = Counter {
        interval: options.interval,
        format: options.format,
        destination: Destination::new(options.output)?,
        progress: ProgressLine::new(),
        next: options.interval.unwrap_or_default(),
    };
    let ended = live::run(prepared, capture, &mut counter);
    counter.progress.clear();
    let (mut run, outcome) = ended?;
    outcome?;
    if options.calibrate {
        run.calibration = Some(calibration::of_run(capture)?);
    }
    let report = Report::new(&run);
    counter.destination.write(&report, options.format, false)?;
    Ok(run.exit_status.map_or(Exit::Fine, Exit::Command))
}
