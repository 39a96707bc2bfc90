//! The outcomes as Markdown.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    outcome::{HookState, Outcome},
    proof::Faults,
};

/// Both tables, and what the cells leave out.
pub(super) fn markdown(outcomes: &[Outcome]) -> String {
    let refused = outcomes.iter().filter(|outcome| outcome.refused);
    let refused: Vec<&str> = refused.map(|outcome| outcome.release.as_str()).collect();
    let proven: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.refused).collect();
    let mut text = String::new();
    if !proven.is_empty() {
        text += "## Classes\n\n";
        text += &classes(&proven);
        text += &not_provoked(&proven);
        text += "\n## Hooks\n\n";
        text += &hooks(&proven);
        text += "\n## Reconciliation\n\nFaults started, and how many of the kernel's own count nothing \
                 explains.\n\n";
        text += &reconciliation(&proven);
    }
    if !refused.is_empty() {
        let _ = writeln!(
            text,
            "\n## Refused\n\nToo old, and refused with the reason and exit status 3: {}.",
            refused.join(", ")
        );
    }
    text
}

/// A table with a column a kernel.
fn table(
    first: &str,
    outcomes: &[&Outcome],
    rows: impl IntoIterator<Item = String>,
    cell: impl Fn(&Outcome, &str) -> String,
) -> String {
    let mut text = format!("| {first} |");
    for outcome in outcomes {
        let short = outcome.release.trim_end_matches("-cloud-amd64");
        let _ = write!(text, " {short} |");
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(outcomes.len()));
    for row in rows {
        let _ = write!(text, "| `{row}` |");
        for outcome in outcomes {
            let _ = write!(text, " {} |", cell(outcome, &row));
        }
        text.push('\n');
    }
    text
}

fn classes(outcomes: &[&Outcome]) -> String {
    let rows: BTreeSet<String> = outcomes
        .iter()
        .flat_map(|outcome| {
            outcome
                .proof
                .classes
                .keys()
                .chain(outcome.scenarios.values())
                .chain(outcome.impossible.keys())
        })
        .filter(|class| *class != "none")
        .cloned()
        .collect();
    table("class", outcomes, rows, |outcome, class| {
        let wrong = outcome.proof.wrong.iter().any(|(scenario, _)| {
            let scenario = scenario.split(' ').next().unwrap_or_default();
            outcome
                .scenarios
                .get(scenario)
                .is_some_and(|of| of == class)
        });
        let faults = outcome.proof.classes.get(class).copied();
        let shown = match faults {
            None if outcome.impossible.contains_key(class) => "impossible",
            faults => confidence(faults.unwrap_or_default()),
        };
        if wrong {
            format!("**wrong**, {shown}")
        } else {
            shown.to_owned()
        }
    })
}

fn confidence(faults: Faults) -> &'static str {
    let Faults {
        exact,
        inferred,
        elsewhere,
        wrong: _,
    } = faults;
    match (exact, inferred, elsewhere) {
        (0, 0, 0) => "not provoked",
        (_, 0, 0) => "exact",
        (0, _, 0) => "inferred",
        (0, 0, _) => "as another class",
        (0, ..) => "inferred, some as another class",
        _ if exact >= inferred + elsewhere => "mostly exact",
        _ => "mostly inferred",
    }
}

/// Why scenarios were not provoked: each reason with the kernels it holds for.
fn not_provoked(outcomes: &[&Outcome]) -> String {
    let reasons: BTreeSet<&(String, String)> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.proof.not_provoked)
        .collect();
    if reasons.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nNot provoked in a guest:\n\n");
    for reason in reasons {
        let kernels: Vec<&str> = outcomes
            .iter()
            .filter(|outcome| outcome.proof.not_provoked.contains(reason))
            .map(|outcome| outcome.release.trim_end_matches("-cloud-amd64"))
            .collect();
        let on = if kernels.len() == outcomes.len() {
            String::new()
        } else {
            format!(" ({})", kernels.join(", "))
        };
        let _ = writeln!(text, "- `{}`{on}: {}", reason.0, reason.1);
    }
    text
}

fn hooks(outcomes: &[&Outcome]) -> String {
    let mut rows: Vec<String> = Vec::new();
    for (name, _) in outcomes.iter().flat_map(|outcome| &outcome.hooks) {
        if !rows.contains(name) {
            rows.push(name.clone());
        }
    }
    table("hook", outcomes, rows, |outcome, hook| {
        let state = outcome.hooks.iter().find(|(name, _)| name == hook);
        match state.map(|(_, state)| state) {
            Some(HookState::Attached) => "attached",
            Some(HookState::LeftOut) => "left out",
            Some(HookState::Refused) => "**refused**",
            Some(HookState::Missing) | None => "missing",
        }
        .to_owned()
    })
}

fn reconciliation(outcomes: &[&Outcome]) -> String {
    let rows = super::guest::COMMANDS.map(|(name, _)| name.to_owned());
    table("command", outcomes, rows, |outcome, row| {
        let found = outcome.reconciled.iter().find(|(name, ..)| name == row);
        found.map_or("–".to_owned(), |(_, started, unexplained)| {
            format!("{started}, {unexplained}")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(release: &str) -> Outcome {
        let faults = |exact, inferred, elsewhere| Faults {
            exact,
            inferred,
            elsewhere,
            wrong: 0,
        };
        let mut outcome = Outcome {
            release: format!("{release}-cloud-amd64"),
            hooks: vec![("rss_stat".to_owned(), HookState::LeftOut)],
            reconciled: vec![("ls".to_owned(), 54, 0)],
            ..Outcome::default()
        };
        outcome.proof.classes = [
            ("anon-alloc".to_owned(), faults(64, 0, 0)),
            ("cow-zero".to_owned(), faults(0, 0, 64)),
        ]
        .into();
        outcome.proof.not_provoked = vec![("spurious".to_owned(), "one CPU".to_owned())];
        outcome.scenarios = [("spurious".to_owned(), "spurious".to_owned())].into();
        outcome
    }

    #[test]
    fn a_row_a_class_and_a_column_a_kernel() {
        let text = markdown(&[outcome("6.1.0-50"), outcome("6.12.107")]);
        for line in [
            "| class | 6.1.0-50 | 6.12.107 |\n|---|---|---|",
            "| `anon-alloc` | exact | exact |",
            "| `cow-zero` | as another class | as another class |",
            "| `spurious` | not provoked | not provoked |",
            "- `spurious`: one CPU",
            "| `rss_stat` | left out | left out |",
            "| `ls` | 54, 0 | 54, 0 |",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("Refused"), "{text}");
    }

    #[test]
    fn a_refused_kernel_is_named_below_the_tables() {
        let refused = Outcome {
            release: "5.10.0-32-cloud-amd64".to_owned(),
            refused: true,
            ..Outcome::default()
        };
        let text = markdown(&[refused]);
        assert!(
            text.contains("exit status 3: 5.10.0-32-cloud-amd64."),
            "{text}"
        );
        assert!(!text.contains("Classes"), "{text}");
    }

    #[test]
    fn confidence_is_never_overstated() {
        let faults = |exact, inferred, elsewhere| Faults {
            exact,
            inferred,
            elsewhere,
            wrong: 0,
        };
        assert_eq!(confidence(faults(9, 0, 0)), "exact");
        assert_eq!(confidence(faults(9, 1, 0)), "mostly exact");
        assert_eq!(confidence(faults(1, 1, 3)), "mostly inferred");
        assert_eq!(confidence(faults(0, 1, 0)), "inferred");
        assert_eq!(
            confidence(faults(0, 1, 3)),
            "inferred, some as another class"
        );
    }
}
