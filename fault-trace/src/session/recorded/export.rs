//! `fault-trace export`: a recording's faults in another form.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{faults, selection, tables};
use crate::{
    analysis::{FaultFilter, Tables, Weight},
    exit::Exit,
    export::{Definition, Files, Source},
    folder::Folder,
    messages,
    model::{Fault, Fields},
    options::ExportOptions,
    output::{self, OutputFile, Wanted, progress::Output},
    recording::Recording,
    render,
};

pub(in crate::session) fn export(options: &ExportOptions) -> anyhow::Result<Exit> {
    let recording = Recording::open(&options.recording)?;
    if let Some(path) = &options.output {
        output::refuse_parts(path, &[&recording])?;
    }
    tables::check_folders(&options.debug_directories)?;
    say_notes(&recording);
    say_thinned(&recording);
    let filter = selection::filter(&options.filter, &recording.run)?;
    let form = options.format.definition();
    let folder = options.output.as_deref().filter(|path| is_folder(path));
    match (folder, form.files) {
        (Some(folder), Some(files)) => {
            let files = with_source(&recording, options, &filter, files)?;
            to_folder(folder, files)?;
        }
        _ => to_output(options.output.as_deref(), |out| {
            let write = |source: &Source<'_>| (form.write)(source, out);
            Ok(with_source(&recording, options, &filter, write)?)
        })?,
    }
    say_damage(&recording);
    Ok(Exit::Fine)
}

/// Hands out the faults that are to be exported.
fn with_source<T>(
    recording: &Recording,
    options: &ExportOptions,
    filter: &FaultFilter,
    export: impl FnOnce(&Source<'_>) -> T,
) -> T {
    let form = options.format.definition();
    let output = match options.output {
        None => Output::Meanwhile,
        Some(_) => Output::AtTheEnd,
    };
    let batches = |fields: Fields, take: &mut dyn FnMut(&[Fault]) -> io::Result<()>| {
        faults::batches(recording, fields, filter, output, take)
    };
    let tables = named_tables(recording, form, &options.debug_directories);
    if form.has_stacks {
        say_stackless(&[&tables]);
    }
    export(&Source {
        run: &recording.run,
        tables: &tables,
        filter,
        weight: options.weight.unwrap_or(Weight::Count),
        batches: &batches,
    })
}

/// What the faults refer to, as far as the form looks at it.
pub(super) fn named_tables(
    recording: &Recording,
    form: &Definition,
    debug_directories: &[PathBuf],
) -> Tables {
    if !form.has_names {
        return Tables::default();
    }
    tables::read(recording, debug_directories)
}

/// Says where there are no stacks to fold, once however many recordings have none.
pub(super) fn say_stackless(tables: &[&Tables]) {
    if tables.iter().any(|tables| !tables.has_stacks()) {
        messages::say(if let [_] = tables {
            "the recording holds no stacks, only the faulting functions; record with -g to get them"
        } else {
            "not both recordings hold stacks; record both with -g to compare them"
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

/// Writes files into a folder, which is made if it is not there.
fn to_folder(folder: &Path, files: Files) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let opened =
        Folder::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    for (name, text) in files {
        output::replace(&opened, &name, text.as_bytes())
            .with_context(|| format!("cannot write {}", folder.join(&name).display()))?;
    }
    Ok(())
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
