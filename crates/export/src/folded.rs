//! Folded stacks as text: a line a stack, its frames separated by `;`, and its weight.

use std::io::{self, Write};

use super::definition::{Comparison, Definition, Source};
use fault_trace_analysis::{Folded, Folder};
use fault_trace_render::{sanitize, short::short_text};

pub(super) static EXPORT: Definition = Definition {
    name: "folded",
    meaning: "Stacks with their weights as text, for other tools",
    has_stacks: true,
    has_names: true,
    write: |source, out| folded(&fold(source)?, io::BufWriter::new(out)),
    files: None,
    compares: Some(Comparison {
        meaning: "Stacks with both weights as text, for other tools",
        write: |[before, after], _, _, out| out.write_all(difference(before, after)?.as_bytes()),
    }),
};

/// The faults as folded stacks.
///
/// # Errors
/// What reading them reports.
pub fn fold(source: &Source<'_>) -> io::Result<Folded> {
    let filter = source.filter.clone();
    let mut folder = Folder::new(source.weight, filter, source.tables, source.run);
    let passed_over = (source.batches)(Folder::FIELDS, &mut |batch| {
        folder.faults(batch);
        Ok(())
    })?;
    folder.pass_over(passed_over);
    Ok(folder.finish())
}

/// Writes the stacks in order.
///
/// # Errors
/// What `out` reports.
pub fn folded(folded: &Folded, mut out: impl Write) -> io::Result<()> {
    lines(folded).try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}

/// Folded stacks with two weights each: before and after.
///
/// # Errors
/// None that folded stacks can cause; the library's signature asks for it.
pub(super) fn difference(before: &Folded, after: &Folded) -> io::Result<String> {
    let text = |folded: &Folded| {
        let mut text = Vec::new();
        self::folded(folded, &mut text).map(|()| text)
    };
    let (before, after) = (text(before)?, text(after)?);
    let mut both = Vec::new();
    let options = inferno::differential::Options::default();
    inferno::differential::from_readers(options, &*before, &*after, &mut both)?;
    let both = String::from_utf8_lossy(&both);
    let mut lines: Vec<&str> = both.lines().collect();
    lines.sort_unstable();
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// A line a stack, in which nothing of a frame is taken for a separator, a comment or the weight.
pub(super) fn lines(folded: &Folded) -> impl Iterator<Item = String> {
    let names: Vec<String> = folded.names.iter().map(|frame| name(frame)).collect();
    folded.stacks.iter().map(move |(frames, weight)| {
        let mut line = String::new();
        for &frame in frames {
            if !line.is_empty() {
                line.push(';');
            }
            line += &names[frame as usize];
        }
        format!("{line} {weight}")
    })
}

/// A frame as it stands in a line.
fn name(frame: &str) -> String {
    let frame = short_text(frame.trim().into());
    let name = sanitize(frame.as_bytes()).replace(';', ":");
    match name.strip_prefix('#') {
        Some(rest) => format!("\\x23{rest}"),
        None if name.is_empty() => "[unknown]".to_owned(),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_taken_for_syntax() {
        let names = ["# a;b", "x\ny 1", " ", "[anon-alloc]"].map(str::to_owned);
        let folded = Folded {
            names: names.into(),
            stacks: vec![(Box::new([0, 1, 2, 3]), 7)],
            ..Folded::default()
        };
        let line = r"\x23 a:b;x\ny 1;[unknown];[anon-alloc] 7";
        assert_eq!(lines(&folded).collect::<Vec<_>>(), [line]);
    }
}
