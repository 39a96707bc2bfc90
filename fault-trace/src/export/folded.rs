//! Folded stacks as text: a line a stack, its frames separated by `;`, and its weight.

use std::io::{self, Write};

use crate::{
    analysis::Folded,
    render::{sanitize, short::short_text},
};

/// Writes the stacks in order.
///
/// # Errors
/// What `out` reports.
pub fn folded(folded: &Folded, mut out: impl Write) -> io::Result<()> {
    lines(folded).try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
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
