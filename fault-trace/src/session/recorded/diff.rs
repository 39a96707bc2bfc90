//! `fault-trace diff`: two recordings.

use std::io::{self, Write};

use super::{
    export::{fold, say_damage, say_notes, say_stackless, say_thinned, title, to_output},
    tables,
};
use crate::{
    analysis::{Diff, FaultFilter, Folded, Report},
    exit::Exit,
    export,
    options::{DiffOptions, GraphFormat},
    recording::Recording,
    render::{self, SummaryOptions},
    session::{destination, output},
};

pub(in crate::session) fn diff(options: &DiffOptions) -> anyhow::Result<Exit> {
    let before = Recording::open(&options.before)?;
    let after = Recording::open(&options.after)?;
    if let Some(path) = &options.output {
        destination::refuse_parts(path, &[&before, &after])?;
    }
    tables::check_folders(&options.debug_directories)?;
    for recording in [&before, &after] {
        say_notes(recording);
        if options.graph.is_some() {
            say_thinned(recording);
        }
    }
    let to_terminal = options.output.is_none();
    to_output(options.output.as_deref(), |out| match options.graph {
        None => table(&before, &after, to_terminal, out),
        Some(format) => graph(&before, &after, format, options, out),
    })?;
    for recording in [&before, &after] {
        say_damage(recording);
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
    before: &Recording,
    after: &Recording,
    format: GraphFormat,
    options: &DiffOptions,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let read = |recording| tables::read(recording, &options.debug_directories);
    let tables = [read(before), read(after)];
    say_stackless(&tables.each_ref());
    let folded =
        |recording, tables| fold(recording, tables, options.weight, FaultFilter::default());
    let both: [Folded; 2] = [folded(before, &tables[0])?, folded(after, &tables[1])?];
    let [before, folded_after] = [&both[0], &both[1]];
    match format {
        GraphFormat::Folded => {
            let lines = export::flamegraph::difference(before, folded_after)?;
            out.write_all(lines.as_bytes())?;
        }
        GraphFormat::Flamegraph => {
            let title = title(after);
            let graphs = [before, folded_after];
            let out = io::BufWriter::new(out);
            export::flamegraph::differential(&title, graphs, options.weight, out)?;
        }
    }
    Ok(())
}
