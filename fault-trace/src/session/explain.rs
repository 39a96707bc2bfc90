//! `fault-trace explain`.

use std::io::Read as _;

use anyhow::Context as _;

use crate::{exit::Exit, explain, output};

/// More than any log that somebody pastes, bytes.
const LONGEST_INPUT: u64 = 1 << 20;

pub(super) fn run(input: &str, json: bool) -> anyhow::Result<Exit> {
    let input = if input == "-" {
        let mut text = Vec::new();
        std::io::stdin()
            .take(LONGEST_INPUT)
            .read_to_end(&mut text)
            .context("cannot read standard input")?;
        String::from_utf8_lossy(&text).into_owned()
    } else {
        input.to_owned()
    };
    let explanation = explain::explain(&input)?;
    output::print(&if json {
        crate::json::pretty(&explanation)?
    } else {
        explain::render(&explanation, output::width())
    })?;
    Ok(Exit::Fine)
}
