//! `fault-trace record`: every fault into a directory, then the summary.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use jiff::Zoned;

use crate::{
    analysis::Report,
    calibration,
    exit::Exit,
    host::signals::{self, Stage},
    live::{self, Progress, Sink},
    messages,
    model::Batch,
    options::{CaptureOptions, RecordOptions, Target},
    output::{self, progress::ProgressLine},
    pipeline::BATCH,
    recording::{RecordingWriter, Whereabouts, WriterThread},
    render::{self, units},
};

/// How often segments are closed and `recording.json` is renewed: a crash loses at most so much.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

struct Recorder {
    writer: WriterThread,
    progress: ProgressLine,
    /// Whether faults count already.
    has_begun: bool,
    next_checkpoint: Duration,
}

impl Sink for Recorder {
    fn events(&mut self, batch: &mut Batch, all: bool) -> anyhow::Result<()> {
        self.has_begun = true;
        let is_full = batch.faults.len().max(batch.others.len()) >= BATCH;
        if is_full || (all && !batch.is_empty()) {
            self.writer.send(batch)?;
        }
        Ok(())
    }

    fn wants_symbols_live(&self) -> bool {
        false
    }

    fn naming(&mut self, left: usize) {
        self.progress.naming(left);
    }

    fn tick(&mut self, progress: &mut Progress<'_>) -> anyhow::Result<()> {
        self.has_begun = true;
        if progress.elapsed >= self.next_checkpoint {
            self.next_checkpoint = progress.elapsed + CHECKPOINT_EVERY;
            self.writer.roll()?;
            self.writer.checkpoint(progress.run()?)?;
        }
        if self.progress.is_due(progress.elapsed) {
            let run = progress.run()?;
            self.progress.show(progress.elapsed, &run);
        }
        Ok(())
    }
}

pub(super) fn run(capture: &CaptureOptions, options: &RecordOptions) -> anyhow::Result<Exit> {
    signals::listen().context("cannot listen for signals")?;
    let prepared = live::prepare(capture)?;
    let path = match &options.output {
        Some(path) => path.clone(),
        None => default_name(&capture.target),
    };
    let writer = RecordingWriter::create(&path, options.overwrite, &prepared.run)?;
    let place = writer.place();
    let writer = WriterThread::spawn(writer).inspect_err(|_| place.discard());
    let mut recorder = Recorder {
        writer: writer.context("cannot start the recording thread")?,
        progress: ProgressLine::new(),
        has_begun: false,
        next_checkpoint: CHECKPOINT_EVERY,
    };
    let ended = live::run(prepared, capture, &mut recorder);
    recorder.progress.clear();
    let (mut run, outcome) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            recorder.writer.abandon();
            if !recorder.has_begun {
                // Nothing ran: there is nothing to keep.
                place.discard();
            }
            return Err(error);
        }
    };
    let calibrated = match &outcome {
        Ok(()) if options.calibrate => calibration::add_to(&mut run, capture),
        _ => Ok(()),
    };
    let written = recorder.writer.finish(&run);
    if let Err(error) = &written {
        run.complete = false;
        run.notes.push(format!(
            "the recording does not hold all of this run: {error}"
        ));
    }
    signals::enter(Stage::Over);
    let shown = output::report(&Report::new(&run), options.format);
    outcome?;
    let written = written?;
    calibrated?;
    let name = |path: &Path| render::sanitize(path.as_os_str().as_encoded_bytes()).into_owned();
    let named = name(&path);
    let place = match place.whereabouts() {
        Whereabouts::AsNamed => named,
        Whereabouts::Moved(now) => format!(
            "{}: the folder {named} was renamed or replaced during the run",
            now.map_or_else(|| "another place".to_owned(), |now| name(&now))
        ),
        Whereabouts::Removed => bail!(
            "{named} was removed during the run: nothing of the recording is left; record again"
        ),
    };
    messages::say(format_args!(
        "{} recorded in {place}",
        units::counted(written.faults, "fault", "faults"),
    ));
    output::end(&run, shown)
}

/// `COMMAND-20261121-120305.ftrace`, after what is traced and the local time.
fn default_name(target: &Target) -> PathBuf {
    let mut name = target.file_name();
    name.push(Zoned::now().strftime("-%Y%m%d-%H%M%S.ftrace").to_string());
    name.into()
}
