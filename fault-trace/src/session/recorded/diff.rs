//! `fault-trace diff`: two recordings.

use std::io::{self, Write};

use super::{
    export::{fold, say_damage, say_notes, title, to_output},
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
    for recording in [&before, &after] {
        say_notes(recording);
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
    let folded = |recording: &Recording| -> anyhow::Result<Folded> {
        let tables = tables::read(recording, &options.debug_directories);
        let filter = FaultFilter::default();
        fold(recording, &tables, options.weight, filter)
    };
    let both = [folded(before)?, folded(after)?];
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
