//! What is different on a terminal.

use std::process::Command;

use crate::support::{has, is_root};

/// What `stat` prints on a terminal.
fn on_a_terminal(environment: &[(&str, &str)]) -> Vec<u8> {
    let line = format!(
        "{} stat -- true 2>/dev/null",
        env!("CARGO_BIN_EXE_fault-trace")
    );
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_remove("NO_COLOR")
        .envs(environment.iter().copied())
        .output()
        .expect("script starts");
    assert!(output.status.success(), "{output:?}");
    assert!(!output.stdout.is_empty());
    output.stdout
}

#[test]
fn colour_is_for_terminals_unless_no_color_is_set() {
    if !is_root() || !has("script") {
        return;
    }
    let is_coloured = |output: &[u8]| output.contains(&0x1b);
    assert!(is_coloured(&on_a_terminal(&[])));
    assert!(is_coloured(&on_a_terminal(&[("NO_COLOR", "")])));
    assert!(!is_coloured(&on_a_terminal(&[("NO_COLOR", "1")])));
}
