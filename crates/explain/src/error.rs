//! What cannot be explained.

/// What is accepted, for every message that refuses something else.
const ACCEPTED: &str = "accepted are the name of a class (`cow-anon`), a family or anything else that \
    fault-trace prints, an error code as the kernel prints it (`6`, `0x6`, `0b110`, `error 6`), a line like `app[12]: segfault at 10 ip 55d0 sp 7ffd error 6 in app[1132,55d0+1000]`, \
    or the lines of an oops (`BUG: kernel NULL pointer dereference, address: …`, `#PF: …`)";

/// Why an input could not be explained. The input is quoted with its control characters escaped.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("nothing to explain: {ACCEPTED}")]
    Empty,
    #[error("cannot make sense of {0:?}: {ACCEPTED}")]
    NotUnderstood(String),
    #[error("nothing is called {name:?}; similar names: {similar}")]
    UnknownName { name: String, similar: String },
    #[error("{0:?} is no error code: it is a hexadecimal number of at most 32 bits; {ACCEPTED}")]
    BadNumber(String),
    #[error("the address {0:?} is no hexadecimal number of at most 64 bits; {ACCEPTED}")]
    BadAddress(String),
    #[error("this is no page fault but {0}; its error code, if any, has other bits")]
    OtherTrap(&'static str),
}

/// The beginning of the input, short enough for a message.
pub(super) fn quoted(input: &str) -> String {
    const LENGTH: usize = 60;
    let mut short: String = input.chars().take(LENGTH).collect();
    if short.len() < input.len() {
        short.push('…');
    }
    short
}
