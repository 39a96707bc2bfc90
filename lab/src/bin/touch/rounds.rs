//! How often a workload is repeated, and what it prints each time.

use std::{
    io::{self, Write as _},
    time::{Duration, Instant},
};

#[derive(Clone, Copy)]
pub(crate) enum Rounds {
    Number(usize),
    For(Duration),
}

impl Rounds {
    /// `9`, or `60s`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('s') {
            Some(seconds) => Some(Self::For(Duration::from_secs(seconds.parse().ok()?))),
            None => Some(Self::Number(text.parse().ok()?)),
        }
    }

    /// Prints the numbers of each round on a line.
    pub(crate) fn print<const N: usize>(
        self,
        mut round: impl FnMut() -> io::Result<[f64; N]>,
    ) -> io::Result<()> {
        let began = Instant::now();
        let mut done = 0;
        let mut out = io::stdout().lock();
        while match self {
            Self::Number(rounds) => done < rounds,
            Self::For(time) => began.elapsed() < time,
        } {
            let numbers = round()?.map(|number| format!("{number:.1}"));
            writeln!(out, "{}", numbers.join(" "))?;
            done += 1;
        }
        Ok(())
    }
}
