//! What was traced, where and for how long.

use super::{
    sanitize::sanitize,
    style::{Paint, Style},
    units,
};
use fault_trace_analysis::Report;

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
    command_line(&report.command)
}

/// Returns a command as one would type it.
#[must_use]
pub fn command_line(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

/// Puts a word into quotes unless every character stands for itself in a shell.
fn quoted(word: &str) -> String {
    let word = sanitize(word.as_bytes());
    let is_literal = |char: char| char.is_alphanumeric() || "%+,-./:=@_".contains(char);
    if word.is_empty() || !word.chars().all(is_literal) {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let words = |words: &[&str]| {
            command_line(&words.iter().map(|word| (*word).into()).collect::<Vec<_>>())
        };
        assert_eq!(words(&["cc", "-O2", "a.c", "--x=y"]), "cc -O2 a.c --x=y");
        assert_eq!(words(&["sh", "-c", "a b"]), "sh -c 'a b'");
        assert_eq!(words(&["echo", "", "it's"]), r"echo '' 'it'\''s'");
        assert_eq!(
            words(&["ls", "*", "~", "(x)", "#", "`a`"]),
            "ls '*' '~' '(x)' '#' '`a`'"
        );
        assert_eq!(words(&["größe", "数据"]), "größe 数据");
    }
}
