//! What was traced, where and for how long.

use super::{
    sanitize::sanitize,
    style::{Paint, Style},
    units,
};
use crate::analysis::Report;

/// Two lines: the target; the machine and the outcome.
pub(super) fn headline(report: &Report, style: Style) -> String {
    let host = &report.host;
    let mut line = format!(
        "  {} on {} (Linux {}, {}, {})",
        units::duration(report.duration_ns),
        sanitize(host.name.as_bytes()),
        sanitize(host.kernel_release.as_bytes()),
        sanitize(host.machine.as_bytes()),
        units::counted(u64::from(host.cpus_online), "CPU", "CPUs"),
    );
    if let Some(status) = report.exit_status {
        let paint = if status == 0 {
            Paint::Plain
        } else {
            Paint::Warn
        };
        line += ", ";
        line += &style.paint(paint, &format!("exit status {status}"));
    }
    let target = style.paint(Paint::Strong, &target(report));
    format!("fault-trace: {target}\n{line}\n")
}

/// The command as one would type it, or the target's name.
fn target(report: &Report) -> String {
    if report.command.is_empty() {
        return sanitize(report.target.as_bytes()).into_owned();
    }
    let words: Vec<String> = report.command.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let word = sanitize(word.as_bytes());
    if word.is_empty()
        || word.contains(|char: char| char.is_whitespace() || "'\"$&;|<>".contains(char))
    {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.into_owned()
    }
}
