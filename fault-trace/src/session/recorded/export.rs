//! `fault-trace export`: a recording's faults in another form.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::Context as _;

use super::{faults, hgrm, selection, tables};
use crate::{
    analysis::{FaultFilter, Folded, Folder, Tables, Weight},
    exit::Exit,
    export::{self, CsvWriter, JsonlWriter},
    messages,
    model::{Fault, Fields},
    options::{ExportFormat, ExportOptions},
    recording::Recording,
    render,
    session::{
        destination::{self, OutputFile, Wanted},
        progress::Output,
    },
};

pub(in crate::session) fn export(options: &ExportOptions) -> anyhow::Result<Exit> {
    let recording = Recording::open(&options.recording)?;
    if let Some(path) = &options.output {
        destination::refuse_parts(path, &[&recording])?;
    }
    tables::check_folders(&options.debug_directories)?;
    say_notes(&recording);
    say_thinned(&recording);
    let filter = selection::filter(&options.filter, &recording.run)?;
    if let Some(folder) = options.output.as_deref().filter(|path| is_folder(path))
        && options.format == ExportFormat::Hgrm
    {
        hgrm::to_folder(&recording, &filter, folder)?;
        say_damage(&recording);
        return Ok(Exit::Fine);
    }
    to_output(options.output.as_deref(), |out| {
        write(&recording, options, filter, out)
    })?;
    say_damage(&recording);
    Ok(Exit::Fine)
}

/// Whether a path names a folder: one that is there, or by its end.
fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// What is missing in the recording beside what is damaged, to standard error.
pub(super) fn say_notes(recording: &Recording) {
    for note in recording.completeness.notes() {
        messages::say(note);
    }
}

/// What turned out to be damaged in the recording, to standard error.
pub(super) fn say_damage(recording: &Recording) {
    for damaged in recording.damage() {
        messages::say(format_args!("lost: {damaged}"));
    }
}

/// Writes to the file, or else to standard output.
pub(super) fn to_output(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match path {
        None => write(&mut Named {
            out: io::stdout().lock(),
            name: "to standard output".to_owned(),
        }),
        Some(path) => {
            let name = path.display().to_string();
            let failed = || format!("cannot write {}", path.display());
            let out = OutputFile::open(path, Wanted::AtTheEnd).with_context(failed)?;
            let mut named = Named { out, name };
            write(&mut named)?;
            named.out.finish().with_context(failed)
        }
    }
}

/// A destination whose own errors tell its name; what goes wrong while reading is none of its.
struct Named<W> {
    out: W,
    name: String,
}

impl<W: Write> Named<W> {
    fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("cannot write {}: {error}", self.name))
    }
}

impl<W: Write> Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().map_err(|error| self.named(error))
    }
}

fn write(
    recording: &Recording,
    options: &ExportOptions,
    filter: FaultFilter,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let tables = tables::read(recording, &options.debug_directories);
    let output = match options.output {
        None => Output::Meanwhile,
        Some(_) => Output::AtTheEnd,
    };
    match options.format {
        ExportFormat::Jsonl => {
            let mut writer = JsonlWriter::new(out, &tables);
            each(recording, Fields::ALL, &filter, output, |fault| {
                writer.write(fault)
            })?;
            writer.finish()?;
        }
        ExportFormat::Csv => {
            let mut writer = CsvWriter::new(out, &tables)?;
            each(recording, export::csv::FIELDS, &filter, output, |fault| {
                writer.write(fault)
            })?;
            writer.finish()?;
        }
        ExportFormat::Folded => {
            say_stackless(&[&tables]);
            let folded = fold(recording, &tables, options.weight, filter)?;
            export::folded(&folded, io::BufWriter::new(out))?;
        }
        ExportFormat::Hgrm => {
            let tallies = hgrm::tallies(recording, &filter)?;
            out.write_all(hgrm::all(&tallies).as_bytes())?;
        }
        ExportFormat::Flamegraph => {
            let title = title(recording);
            say_stackless(&[&tables]);
            let folded = fold(recording, &tables, options.weight, filter)?;
            let out = io::BufWriter::new(out);
            export::flamegraph::flamegraph(&title, &folded, options.weight, out)?;
        }
    }
    Ok(())
}

fn each(
    recording: &Recording,
    fields: Fields,
    filter: &FaultFilter,
    output: Output,
    mut write: impl FnMut(&Fault) -> io::Result<()>,
) -> anyhow::Result<()> {
    faults::batches(recording, fields, filter, output, |batch| {
        let mut admitted = batch.iter().filter(|fault| filter.admits(fault));
        Ok(admitted.try_for_each(&mut write)?)
    })
    .map(drop)
}

/// The recording's faults as folded stacks.
pub(super) fn fold(
    recording: &Recording,
    tables: &Tables,
    weight: Weight,
    filter: FaultFilter,
) -> anyhow::Result<Folded> {
    let mut folder = Folder::new(weight, filter.clone(), tables, &recording.run);
    let passed_over = faults::batches(
        recording,
        Folder::FIELDS,
        &filter,
        Output::AtTheEnd,
        |batch| {
            folder.faults(batch);
            Ok(())
        },
    )?;
    folder.pass_over(passed_over);
    Ok(folder.finish())
}

/// Says where there are no stacks to fold, once however many recordings have none.
pub(super) fn say_stackless(tables: &[&Tables]) {
    if tables.iter().any(|tables| !tables.has_stacks()) {
        messages::say(if let [_] = tables {
            "the recording holds no stacks, only the faulting functions; record with -g to get them"
        } else {
            "not both recordings hold stacks, beside the faulting functions; record with -g to get them"
        });
    }
}

/// Says which faults the recording was never to hold: no form of them is scaled up.
pub(super) fn say_thinned(recording: &Recording) {
    let options = &recording.run.options;
    let mut kept = Vec::new();
    if options.sample > 1 {
        kept.push(format!(
            "1 in {}",
            render::units::count(options.sample.into())
        ));
    }
    if options.min_latency_ns > 0 {
        let least = render::units::duration(options.min_latency_ns);
        kept.push(format!("those of {least} or more"));
    }
    if kept.is_empty() {
        return;
    }
    let held = recording.completeness.fault_rows;
    let counts = &recording.run.totals.counts;
    messages::say(format_args!(
        "the recording holds {} of the run's {}: only {} were recorded, and nothing is scaled up",
        render::units::count(held),
        render::units::counted(
            counts.minor + counts.major + counts.failed,
            "fault",
            "faults"
        ),
        kept.join(" and of them "),
    ));
}

/// What was traced.
pub(super) fn title(recording: &Recording) -> String {
    let run = &recording.run;
    let target = match run.command.as_slice() {
        [] => render::sanitize(run.target.as_bytes()).into_owned(),
        command => render::command_line(command),
    };
    format!("Page faults of {target}")
}
