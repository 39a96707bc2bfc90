//! What a scenario is, and what it works with.

use std::path::PathBuf;

use fault_trace_common::class::Class;

use crate::{
    expect::{Faults, Line},
    meter::Meter,
};

/// One known class of fault and how to provoke it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What it is about; `None` where no fault may be recorded.
    pub(crate) class: Option<Class>,
    pub(crate) about: &'static str,
    pub(crate) needs: &'static str,
    /// The default of `--count`.
    pub(crate) count: usize,
    pub(crate) run: fn(&mut Run) -> anyhow::Result<()>,
}

/// This machine cannot provoke it, for the reason given.
#[derive(Debug, thiserror::Error)]
#[error("skipped: {0}")]
pub(crate) struct Skip(pub(crate) String);

/// Ends the scenario as not possible here.
pub(crate) fn skip<T>(reason: impl Into<String>) -> anyhow::Result<T> {
    Err(Skip(reason.into()).into())
}

/// Ends the scenario as not possible here unless `possible`.
pub(crate) fn require(possible: bool, reason: &str) -> anyhow::Result<()> {
    if possible { Ok(()) } else { skip(reason) }
}

/// A scenario's options, and what it has found out so far.
pub(crate) struct Run {
    pub(crate) count: usize,
    pub(crate) dir: PathBuf,
    pub(crate) traced: bool,
    pub(crate) meter: Meter,
    lines: Vec<Line>,
}

impl Run {
    pub(crate) fn new(count: usize, dir: PathBuf, traced: bool) -> anyhow::Result<Self> {
        Ok(Self {
            count,
            dir,
            traced,
            meter: Meter::new(traced)?,
            lines: Vec::new(),
        })
    }

    /// Does `work` on this thread, checks that the kernel counted just the expected faults, and
    /// keeps them for the output.
    pub(crate) fn provoke(
        &mut self,
        expected: impl Into<Vec<Faults>>,
        work: impl FnOnce(),
    ) -> anyhow::Result<()> {
        let expected = expected.into();
        self.meter.check(&expected, work)?;
        self.expect(expected);
        Ok(())
    }

    /// Keeps expectations that were checked elsewhere.
    pub(crate) fn expect(&mut self, expected: impl IntoIterator<Item = Faults>) {
        self.lines.extend(
            expected
                .into_iter()
                .map(|faults| Line::Faults(Box::new(faults))),
        );
    }

    /// Keeps any other line.
    pub(crate) fn line(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// The expectations as JSON lines.
    pub(crate) fn into_lines(self, scenario: &str) -> String {
        self.lines
            .iter()
            .map(|line| format!("{}\n", line.to_json(scenario)))
            .collect()
    }
}
