//! `fault-trace report` and `fault-trace export`: from a recording.

use std::{
    fs::File,
    io::{self, Write},
};

use anyhow::Context as _;

use super::output;
use crate::{
    analysis::Report,
    exit::Exit,
    export,
    model::TaskNames,
    options::{ExportFormat, ExportOptions, ReportOptions},
    recording::Recording,
    render,
};

pub(super) fn report(options: &ReportOptions) -> anyhow::Result<Exit> {
    let mut recording = Recording::open(&options.recording)?;
    let notes = recording.completeness.notes();
    recording.run.notes.extend(notes);
    output::report(&Report::new(&recording.run), options.format)?;
    Ok(Exit::Fine)
}

pub(super) fn export(options: &ExportOptions) -> anyhow::Result<Exit> {
    let recording = Recording::open(&options.recording)?;
    for note in recording.completeness.notes() {
        eprintln!("fault-trace: {}", render::sanitize_lines(&note));
    }
    match &options.output {
        None => write(&recording, options.format, io::stdout().lock())
            .context("cannot write to standard output")?,
        Some(path) => File::create(path)
            .map_err(Into::into)
            .and_then(|file| write(&recording, options.format, file))
            .with_context(|| format!("cannot write {}", path.display()))?,
    }
    Ok(Exit::Fine)
}

fn write(recording: &Recording, format: ExportFormat, out: impl Write) -> anyhow::Result<()> {
    let mut names = TaskNames::default();
    for task in recording.tasks() {
        names.ingest(&task?);
    }
    let ExportFormat::Jsonl = format;
    let mut writer = export::JsonlWriter::new(io::BufWriter::new(out));
    for fault in recording.faults() {
        let fault = fault?;
        writer.write(&fault, names.name(fault.pid, fault.tid, fault.time_ns))?;
    }
    writer.finish()?.flush()?;
    Ok(())
}
