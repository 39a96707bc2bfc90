//! Traps that look like faults in the log and are not page faults.

/// What the line is about, if it is another trap (`do_error_trap`, `exc_general_protection` in
/// arch/x86/kernel/traps.c).
pub(super) fn named(line: &str) -> Option<&'static str> {
    TRAPS
        .iter()
        .find_map(|&(words, name)| line.contains(words).then_some(name))
}

const TRAPS: [(&str, &str); 12] = [
    (
        "general protection",
        "a general protection fault (a non-canonical address, a misaligned vector access, a \
         privileged instruction)",
    ),
    (
        "invalid opcode",
        "an invalid opcode (often a deliberate abort)",
    ),
    ("trap divide error", "a division by zero or its overflow"),
    ("divide error:", "a division by zero or its overflow"),
    ("trap int3", "a breakpoint"),
    ("int3:", "a breakpoint"),
    ("trap stack segment", "a stack segment fault"),
    ("stack segment:", "a stack segment fault"),
    (
        "double fault",
        "a double fault (often a kernel stack overflow)",
    ),
    (
        "control protection",
        "a control protection fault (shadow stack or branch tracking)",
    ),
    ("alignment check", "an alignment check"),
    ("stack guard page was hit", "a kernel stack overflow"),
];
