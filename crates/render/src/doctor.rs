//! The findings of `doctor`, as text or JSON.

use std::fmt::Write;

use serde::Serialize;

use super::sanitize;
use fault_trace_model::{
    Calibration,
    findings::{Finding, Findings, State},
    support::{Best, ClassSupport, HookSupport, Support},
};

/// A line a finding, its remedy below it, what the classes are at best, and a verdict at the end.
/// `support`: `None` if the programs could not be tried.
#[must_use]
pub fn text(findings: &Findings, support: Option<&Support>) -> String {
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
    if let Some(support) = support {
        text += &classes(&support.classes);
        text += "\n";
    }
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

/// Those that can be proven together; the others one by one, with the reason.
fn classes(classes: &[ClassSupport]) -> String {
    const WIDTH: usize = 80;
    let with = |best: Best| classes.iter().filter(move |class| class.best == best);
    let exact: Vec<&str> = with(Best::Exact).map(|one| one.class.as_str()).collect();
    let mut text = String::from("Classes that can be proven here:\n");
    let options = textwrap::Options::new(WIDTH)
        .initial_indent("  ")
        .subsequent_indent("  ")
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    text += &textwrap::fill(&exact.join(", "), options);
    text += "\n";
    for (best, title) in [
        (Best::Inferred, "Classes that can only be inferred here:\n"),
        (Best::Impossible, "Classes that cannot show here:\n"),
    ] {
        if with(best).next().is_some() {
            text += title;
        }
        for ClassSupport { class, reason, .. } in with(best) {
            let reason = reason.as_deref().unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {class:20}  {}", sanitize(reason.as_bytes()));
        }
    }
    text
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
    hooks: Option<&'a [HookSupport]>,
    classes: Option<&'a [ClassSupport]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calibration: Option<&'a Calibration>,
}

/// `{"schema":1,"can_trace":…,"findings":[{"subject","state","detail","remedy"}],
/// "hooks":[{"hook","state","reason"}],"classes":[{"class","best","reason"}]}`. The state of a finding
/// is `ok`, `degraded`, `missing` or `unknown`, that of a hook `attached`, `missing`, `refused` or
/// `left-out`; a class is at best `exact`, `inferred` or `impossible`. `hooks` and `classes` are `null`
/// where the programs could not be tried; `calibration` is there if it was asked for.
///
/// # Errors
/// None that can happen: there is nothing in it that JSON does not have.
pub fn json(
    findings: &Findings,
    support: Option<&Support>,
    calibration: Option<&Calibration>,
) -> serde_json::Result<String> {
    let document = Document {
        schema: 1,
        can_trace: findings.fatal().next().is_none(),
        findings,
        hooks: support.map(|support| support.hooks.as_slice()),
        classes: support.map(|support| support.classes.as_slice()),
        calibration,
    };
    fault_trace_text::json::pretty(&document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fault_trace_model::support::HookState;

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
        insta::assert_snapshot!(text(&sample(), None), @"
        ✓ ok        kernel         about kernel
        ! degraded  kmem:rss_stat  about kmem:rss_stat
        ✗ missing   BPF            about BPF
                    remedy: sudo fault-trace …
        ? unknown   lockdown       about lockdown

        Faults cannot be traced here: 1 requirement is missing.
        ");
    }

    fn support() -> Support {
        let class = |class: &str, best, reason: Option<&str>| ClassSupport {
            class: class.to_owned(),
            best,
            reason: reason.map(str::to_owned),
        };
        Support {
            hooks: vec![HookSupport {
                hook: "rss_stat".to_owned(),
                state: HookState::LeftOut,
                reason: Some("batches".to_owned()),
            }],
            classes: vec![
                class("uffd", Best::Exact, None),
                class("segv-access", Best::Exact, None),
                class("anon-alloc", Best::Inferred, Some("without rss_stat")),
                class("sgx", Best::Impossible, Some("the CPU has no SGX")),
            ],
        }
    }

    #[test]
    fn classes_are_listed_by_how_sure_they_can_be() {
        let findings = Findings(vec![finding("kernel", State::Ok, None)]);
        insta::assert_snapshot!(text(&findings, Some(&support())), @"
        ✓ ok        kernel  about kernel

        Classes that can be proven here:
          uffd, segv-access
        Classes that can only be inferred here:
          anon-alloc            without rss_stat
        Classes that cannot show here:
          sgx                   the CPU has no SGX

        Faults can be traced here.
        ");
    }

    #[test]
    fn json_holds_hooks_and_classes_where_they_were_tried() {
        let of = |support: Option<&Support>| -> serde_json::Value {
            serde_json::from_str(&json(&sample(), support, None).expect("JSON")).expect("JSON")
        };
        let value = of(Some(&support()));
        assert_eq!(value["hooks"][0]["state"], "left-out");
        assert_eq!(value["classes"][3]["best"], "impossible");
        assert_eq!(of(None)["hooks"], serde_json::Value::Null);
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
        let text = text(&hostile, None);
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn json_holds_every_finding() {
        let text = json(&sample(), None, None).expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["can_trace"], false);
        assert_eq!(value["findings"][1]["state"], "degraded");
        assert_eq!(value["findings"][2]["remedy"], "sudo fault-trace …");
        assert_eq!(value["findings"][3]["remedy"], serde_json::Value::Null);
    }
}
