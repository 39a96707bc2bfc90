//! Outcome of the checks of the host and its kernel.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// Tracing works, with less in its results.
    Degraded,
    /// Nothing can be traced.
    Missing,
    /// It will be found out by trying.
    Unknown,
}

/// The outcome of one check.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was checked.
    pub subject: String,
    pub state: State,
    pub detail: String,
    /// What to do about it, where something can be done.
    pub remedy: Option<String>,
}

impl Finding {
    /// One without a remedy.
    pub fn new(subject: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            state,
            detail: detail.into(),
            remedy: None,
        }
    }

    pub fn with_remedy(self, remedy: &str) -> Self {
        Self {
            remedy: Some(remedy.to_owned()),
            ..self
        }
    }
}

/// The outcome of all checks, in the order in which they are shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// The findings that make tracing impossible (exit status 3).
    pub fn fatal(&self) -> impl Iterator<Item = &Finding> {
        let state = State::Missing;
        self.0.iter().filter(move |finding| finding.state == state)
    }

    /// What is missing, a line each, and then every remedy, once; `None` if nothing is.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let mut lines = Vec::new();
        let mut remedies = Vec::new();
        for finding in self.fatal() {
            lines.push(format!("  {}: {}", finding.subject, finding.detail));
            let remedy = finding
                .remedy
                .as_ref()
                .map(|text| format!("  remedy: {text}"));
            remedies.extend(remedy.filter(|remedy| !remedies.contains(remedy)));
        }
        lines.append(&mut remedies);
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// The findings that leave something out of the results.
    pub fn degraded(&self) -> impl Iterator<Item = &Finding> {
        let state = State::Degraded;
        self.0.iter().filter(move |finding| finding.state == state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_of_several_findings_is_said_once() {
        let missing = |subject| Finding::new(subject, State::Missing, "none");
        let findings = Findings(vec![
            missing("a").with_remedy("be root"),
            Finding::new("b", State::Degraded, "little").with_remedy("be patient"),
            missing("c").with_remedy("be root"),
            missing("d"),
        ]);
        let refusal = findings.refusal();
        assert_eq!(
            refusal.as_deref(),
            Some("  a: none\n  c: none\n  d: none\n  remedy: be root")
        );
        assert_eq!(Findings(Vec::new()).refusal(), None);
    }
}
