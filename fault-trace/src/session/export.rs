//! `fault-trace export`: a recording's faults in another form.

use std::io;

use crate::{
    analysis::{FaultFilter, Weight},
    exit::Exit,
    export::Source,
    model::{Fault, Fields},
    options::ExportOptions,
    output::{self, progress::Output},
    recorded::{self, named_tables, notes},
    recording::Recording,
};

pub(super) fn run(options: &ExportOptions) -> anyhow::Result<Exit> {
    let recording = Recording::open(&options.recording)?;
    if let Some(path) = &options.output {
        output::refuse_parts(path, &[&recording])?;
    }
    recorded::check_folders(&options.debug_directories)?;
    notes::say_missing(&recording);
    notes::say_thinned(&recording);
    let filter = recorded::filter(&options.filter, &recording.run)?;
    let form = options.format.definition();
    let folder = options
        .output
        .as_deref()
        .filter(|path| output::is_folder(path));
    match (folder, form.files) {
        (Some(folder), Some(files)) => {
            let files = with_source(&recording, options, &filter, files)?;
            output::to_folder(folder, files)?;
        }
        _ => output::to_output(options.output.as_deref(), |out| {
            let write = |source: &Source<'_>| (form.write)(source, out);
            Ok(with_source(&recording, options, &filter, write)?)
        })?,
    }
    notes::say_damage(&recording);
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
        recorded::batches(recording, fields, filter, output, take)
    };
    let tables = named_tables(recording, form, &options.debug_directories);
    if form.has_stacks {
        notes::say_stackless(&[&tables]);
    }
    export(&Source {
        run: &recording.run,
        tables: &tables,
        filter,
        weight: options.weight.unwrap_or(Weight::Count),
        batches: &batches,
    })
}
