//! Folded stacks as text: a line a stack, its frames separated by `;`, and its weight.

use std::io::{self, Write};

use crate::{analysis::Folded, render::sanitize};

/// Writes the stacks in order.
///
/// # Errors
/// What `out` reports.
pub fn folded(folded: &Folded, mut out: impl Write) -> io::Result<()> {
    for (frames, weight) in &folded.stacks {
        writeln!(out, "{} {weight}", line(frames))?;
    }
    out.flush()
}

/// The frames in one line, in which nothing is taken for a separator, a comment or a weight.
pub(super) fn line(frames: &[String]) -> String {
    let mut line = String::new();
    for frame in frames {
        if !line.is_empty() {
            line.push(';');
        }
        line += &name(frame);
    }
    line
}

/// A frame as it stands in a line.
pub(super) fn name(frame: &str) -> String {
    let name = sanitize(frame.trim().as_bytes()).replace(';', ":");
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
        let frames = ["# a;b", "x\ny 1", " ", "[anon-alloc]"].map(str::to_owned);
        assert_eq!(line(&frames), r"\x23 a:b;x\ny 1;[unknown];[anon-alloc]");
    }
}
