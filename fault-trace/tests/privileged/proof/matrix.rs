//! Which class each provoked fault was recorded as. `cargo xtask kernels` reads its text.

use std::{collections::BTreeMap, fmt};

/// Faults by expected and recorded class.
#[derive(Default)]
pub(super) struct Matrix(BTreeMap<(String, String), Cell>);

#[derive(Default)]
struct Cell {
    exact: u64,
    inferred: u64,
}

impl Matrix {
    pub(super) fn add(&mut self, expected: &str, recorded: &str, is_inferred: bool) {
        let key = (expected.to_owned(), recorded.to_owned());
        let cell = self.0.entry(key).or_default();
        if is_inferred {
            cell.inferred += 1;
        } else {
            cell.exact += 1;
        }
    }

    /// How many faults were recorded as another class than expected.
    pub(super) fn off_diagonal(&self) -> u64 {
        let off = self
            .0
            .iter()
            .filter(|((expected, recorded), _)| expected != recorded);
        off.map(|(_, cell)| cell.exact + cell.inferred).sum()
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "\nexpected class           recorded class              exact inferred"
        )?;
        for ((expected, recorded), Cell { exact, inferred }) in &self.0 {
            let mark = if expected == recorded {
                ""
            } else {
                "  OFF THE DIAGONAL"
            };
            writeln!(
                formatter,
                "{expected:<24} {recorded:<24} {exact:>8} {inferred:>8}{mark}"
            )?;
        }
        Ok(())
    }
}
