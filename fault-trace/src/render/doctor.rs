//! The findings of `doctor`, as text or JSON.

use std::fmt::Write;

use serde::Serialize;

use super::sanitize;
use crate::host::findings::{Finding, Findings, State};

/// A line a finding, its remedy below it, and a verdict at the end.
#[must_use]
pub fn text(findings: &Findings) -> String {
    let width = findings
        .0
        .iter()
        .map(|finding| finding.subject.chars().count());
    let width = width.max().unwrap_or(0);
    let mut text = String::new();
    for finding in &findings.0 {
        text += &line(finding, width);
    }
    text += "\n";
    text += &verdict(findings);
    text
}

fn line(finding: &Finding, width: usize) -> String {
    let (mark, word) = match finding.state {
        State::Ok => ('✓', "ok"),
        State::Degraded => ('!', "degraded"),
        State::Missing => ('✗', "missing"),
        State::Unknown => ('?', "unknown"),
    };
    let (subject, detail) = (
        sanitize(finding.subject.as_bytes()),
        sanitize(finding.detail.as_bytes()),
    );
    let mut line = format!("{mark} {word:8}  {subject:width$}  {detail}\n");
    if let Some(remedy) = &finding.remedy {
        // Writing to a string cannot fail.
        let _ = writeln!(line, "{:12}remedy: {}", "", sanitize(remedy.as_bytes()));
    }
    line
}

fn verdict(findings: &Findings) -> String {
    let count = |number: usize, one: &str, many: &str| match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    };
    match (findings.fatal().count(), findings.degraded().count()) {
        (0, 0) => "Faults can be traced here.\n".to_owned(),
        (0, degraded) => {
            let degraded = count(degraded, "limitation", "limitations");
            format!("Faults can be traced here, with {degraded}.\n")
        }
        (missing, _) => {
            let missing = count(missing, "requirement is", "requirements are");
            format!("Faults cannot be traced here: {missing} missing.\n")
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    can_trace: bool,
    findings: &'a Findings,
}

/// `{"schema":1,"can_trace":…,"findings":[{"subject","state","detail","remedy"}]}`, where the state
/// is `ok`, `degraded`, `missing` or `unknown`.
///
/// # Errors
/// None that can happen: there is nothing in it that JSON does not have.
pub fn json(findings: &Findings) -> serde_json::Result<String> {
    let document = Document {
        schema: 1,
        can_trace: findings.fatal().next().is_none(),
        findings,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(subject: &str, state: State, remedy: Option<&str>) -> Finding {
        Finding {
            subject: subject.to_owned(),
            state,
            detail: format!("about {subject}"),
            remedy: remedy.map(str::to_owned),
        }
    }

    fn sample() -> Findings {
        Findings(vec![
            finding("kernel", State::Ok, None),
            finding("kmem:rss_stat", State::Degraded, None),
            finding("BPF", State::Missing, Some("sudo fault-trace …")),
            finding("lockdown", State::Unknown, None),
        ])
    }

    #[test]
    fn findings_are_aligned_and_remedies_follow() {
        insta::assert_snapshot!(text(&sample()), @"
        ✓ ok        kernel         about kernel
        ! degraded  kmem:rss_stat  about kmem:rss_stat
        ✗ missing   BPF            about BPF
                    remedy: sudo fault-trace …
        ? unknown   lockdown       about lockdown

        Faults cannot be traced here: 1 requirement is missing.
        ");
    }

    #[test]
    fn the_verdict_counts() {
        let states = |states: &[State]| {
            let findings = states.iter().map(|&state| finding("x", state, None));
            verdict(&Findings(findings.collect()))
        };
        assert_eq!(
            states(&[State::Ok, State::Unknown]),
            "Faults can be traced here.\n"
        );
        assert_eq!(
            states(&[State::Degraded, State::Degraded]),
            "Faults can be traced here, with 2 limitations.\n"
        );
        assert_eq!(
            states(&[State::Degraded, State::Missing]),
            "Faults cannot be traced here: 1 requirement is missing.\n"
        );
    }

    #[test]
    fn the_terminal_is_not_driven() {
        let hostile = Findings(vec![finding(
            "x\u{1b}[2J",
            State::Ok,
            Some("a\r\nb\u{9b}c"),
        )]);
        let text = text(&hostile);
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn json_holds_every_finding() {
        let text = json(&sample()).expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["can_trace"], false);
        assert_eq!(value["findings"][1]["state"], "degraded");
        assert_eq!(value["findings"][2]["remedy"], "sudo fault-trace …");
        assert_eq!(value["findings"][3]["remedy"], serde_json::Value::Null);
    }
}
