//! Names in a view: safe for a terminal, and short.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::sanitize::sanitize;
use fault_trace_analysis::view::{FrameRow, Name};
use fault_trace_model::attribution::LocationKind;

pub(super) const UNKNOWN: &str = "(unknown)";

/// A frame of a stack: function, module, source; the kernel's and inlined ones are marked.
pub(super) fn frame(frame: &FrameRow) -> String {
    let mut line = sanitize(frame.function.as_bytes()).into_owned();
    if frame.kind == LocationKind::Kernel {
        line += " [kernel]";
    } else if !frame.module.0.is_empty() && !line.contains('+') {
        line += &format!(" ({})", base(&frame.module));
    }
    if let Some(source) = source(frame) {
        line += &format!(" {source}");
    }
    if frame.inlined {
        line += " [inlined]";
    }
    line
}

/// `file.c:12`, without the folders.
fn source(frame: &FrameRow) -> Option<String> {
    let path = frame.source_file.as_ref()?;
    let file = path.rsplit('/').next().unwrap_or_default();
    let file = sanitize(file.as_bytes());
    Some(match frame.source_line {
        Some(line) => format!("{file}:{line}"),
        None => file.into_owned(),
    })
}

/// Seconds with as many decimals as steps of `step_ns` need.
pub(super) fn seconds(ns: u64, step_ns: u64) -> String {
    let mut unit_ns = 1_000_000_000;
    let mut decimals = 0;
    while unit_ns > 1 && !step_ns.is_multiple_of(unit_ns) {
        unit_ns /= 10;
        decimals += 1;
    }
    format!("{:.decimals$} s", ns as f64 / 1e9)
}

/// The last part of a path.
fn base(name: &Name) -> String {
    let last = name.0.rsplit(|&byte| byte == b'/').next();
    sanitize(last.unwrap_or_default()).into_owned()
}

pub(super) fn head(text: &str, width: usize) -> String {
    crate::table::cut(text, width).into_owned()
}

/// The end of `text` in at most `width` columns, beginning with `…` where it was cut: paths differ in
/// their ends.
pub(super) fn tail(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut used = 1;
    let mut start = text.len();
    for (index, char) in text.char_indices().rev() {
        used += char.width().unwrap_or(0);
        if used > width {
            break;
        }
        start = index;
    }
    format!("…{}", &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_decimals_that_their_steps_need() {
        assert_eq!(seconds(3_000_000_000, 1_000_000_000), "3 s");
        assert_eq!(seconds(1_500_000_000, 500_000_000), "1.5 s");
        assert_eq!(seconds(40_000, 20_000), "0.00004 s");
    }

    #[test]
    fn a_long_path_shows_its_end() {
        assert_eq!(tail("/usr/lib/libc.so.6", 20), "/usr/lib/libc.so.6");
        assert_eq!(tail("/usr/lib/libc.so.6", 10), "…libc.so.6");
        assert_eq!(tail("数据库", 5), "…据库");
        assert_eq!(tail("x", 0), "…");
    }
}
