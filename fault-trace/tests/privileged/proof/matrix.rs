//! Which class each provoked fault was recorded as. `cargo xtask kernels` reads its text.

use std::{collections::BTreeMap, fmt};

/// Faults by expected and recorded class. What is recorded as another class and yet right, since no
/// evidence on this kernel would tell them apart, is on the diagonal, and counted apart.
#[derive(Default)]
pub(super) struct Matrix(BTreeMap<(String, String), Cell>);

#[derive(Default)]
struct Cell {
    exact: u64,
    inferred: u64,
    stand_ins: u64,
}

impl Matrix {
    pub(super) fn add(&mut self, expected: &str, recorded: &str, is_right: bool, inferred: bool) {
        let shown = if is_right { expected } else { recorded };
        let key = (expected.to_owned(), shown.to_owned());
        let cell = self.0.entry(key).or_default();
        if shown != recorded {
            cell.stand_ins += 1;
        } else if inferred {
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
        off.map(|(_, cell)| cell.exact + cell.inferred + cell.stand_ins)
            .sum()
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "\nexpected class           recorded class              exact inferred elsewhere"
        )?;
        for ((expected, recorded), cell) in &self.0 {
            let Cell {
                exact,
                inferred,
                stand_ins,
            } = cell;
            let mark = if expected == recorded {
                ""
            } else {
                "  OFF THE DIAGONAL"
            };
            writeln!(
                formatter,
                "{expected:<24} {recorded:<24} {exact:>8} {inferred:>8} {stand_ins:>9}{mark}"
            )?;
        }
        Ok(())
    }
}
