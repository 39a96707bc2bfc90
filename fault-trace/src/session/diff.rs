//! `fault-trace diff`: two recordings.

use std::io::{self, Write};

use crate::{
    analysis::{Diff, FaultFilter, Report, Weight},
    exit::Exit,
    export::{self, Comparison, Definition, ExportFormat, Source},
    model::{Fault, Fields},
    options::DiffOptions,
    output::{self, progress::Output},
    recorded::{self, named_tables, notes},
    recording::Recording,
    render::{self, SummaryOptions},
};

pub(super) fn run(options: &DiffOptions) -> anyhow::Result<Exit> {
    let before = Recording::open(&options.before)?;
    let after = Recording::open(&options.after)?;
    if let Some(path) = &options.output {
        output::refuse_parts(path, &[&before, &after])?;
    }
    recorded::check_folders(&options.debug_directories)?;
    for recording in [&before, &after] {
        notes::say_missing(recording);
        if options.graph.is_some() {
            notes::say_thinned(recording);
        }
    }
    let to_terminal = options.output.is_none();
    let form = options.graph.map(ExportFormat::definition);
    output::to_output(options.output.as_deref(), |out| {
        match form.and_then(|form| Some((form, form.compares.as_ref()?))) {
            None => table(&before, &after, to_terminal, out),
            Some((form, compares)) => graph([&before, &after], form, compares, options, out),
        }
    })?;
    for recording in [&before, &after] {
        notes::say_damage(recording);
    }
    Ok(Exit::Fine)
}

fn table(
    before: &Recording,
    after: &Recording,
    to_terminal: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (before, after) = (Report::new(&before.run), Report::new(&after.run));
    let style = if to_terminal {
        output::style()
    } else {
        render::Style::default()
    };
    let options = SummaryOptions {
        width: output::width(),
        style,
        live: false,
    };
    let text = render::diff(&Diff::new(&before, &after), options);
    Ok(out.write_all(text.as_bytes())?)
}

fn graph(
    recordings: [&Recording; 2],
    form: &Definition,
    compares: &Comparison,
    options: &DiffOptions,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let weight = options.weight.unwrap_or(Weight::Count);
    let tables =
        recordings.map(|recording| named_tables(recording, form, &options.debug_directories));
    notes::say_stackless(&tables.each_ref());
    let folded = |recording: &Recording, tables| {
        let filter = FaultFilter::default();
        let batches = |fields: Fields, take: &mut dyn FnMut(&[Fault]) -> io::Result<()>| {
            recorded::batches(recording, fields, &filter, Output::AtTheEnd, take)
        };
        export::fold(&Source {
            run: &recording.run,
            tables,
            filter: &filter,
            weight,
            batches: &batches,
        })
    };
    let [before, after] = recordings;
    let both = [&folded(before, &tables[0])?, &folded(after, &tables[1])?];
    Ok((compares.write)(both, &after.run, weight, out)?)
}
