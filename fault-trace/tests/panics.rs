//! What a panic says: one that is caught nothing, any other that it is a bug.

use std::process::Command;

use fault_trace::{guarded::guarded, messages};

/// Set in the process that panics.
const PANIC: &str = "FAULT_TRACE_TEST_PANIC";

/// What a process prints that panics twice, the first time guarded.
fn messages_of(error: &str) -> (Option<i32>, String) {
    let program = std::env::current_exe().expect("this program");
    let line = format!(
        "'{}' --exact a_panic_is_told_once_unless_it_is_caught --nocapture {error}",
        program.display()
    );
    let output = Command::new("sh")
        .args(["-c", &line])
        .env(PANIC, "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("sh starts");
    let messages = String::from_utf8(output.stderr).expect("text");
    (output.status.code(), messages)
}

#[test]
fn a_panic_is_told_once_unless_it_is_caught() {
    if std::env::var_os(PANIC).is_some() {
        messages::report_panics();
        assert!(guarded(|| panic!("caught")).is_err());
        panic!("not \x1b[2J caught");
    }
    let (status, messages) = messages_of("");
    assert_eq!(status, Some(101), "{messages}");
    let lines: Vec<&str> = messages
        .lines()
        .filter(|line| line.starts_with("fault-trace: "))
        .collect();
    let [line] = lines.as_slice() else {
        panic!("{messages}")
    };
    assert!(line.contains("this is a bug, please report it"), "{line}");
    assert!(line.contains("tests/panics.rs:"), "{line}");
    assert!(line.ends_with(r"not \x1b[2J caught"), "{line}");
    // Nobody can be told, and nothing else changes.
    assert_eq!(messages_of("2>/dev/full").0, Some(101));
}
