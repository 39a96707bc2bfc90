//! From text to clues.

mod number;
mod oops;
mod segfault;
mod trap;

use super::{
    clues::Clues,
    error::{ExplainError, quoted},
};

/// Gathers what all lines of the input say about its first fault.
pub(super) fn clues(input: &str) -> Result<Clues, ExplainError> {
    let text = input.trim();
    if text.is_empty() {
        return Err(ExplainError::Empty);
    }
    if let Some(code) = number::parse(text) {
        return code;
    }
    let mut clues = Clues::default();
    let (mut understood, mut reports) = (false, 0_u32);
    for line in text.lines() {
        let begins = segfault::is(line) || oops::begins(line);
        reports += u32::from(begins);
        if reports > 1 {
            clues
                .notes
                .push("the input has several faults; this is the first".to_owned());
            break;
        }
        understood |= if segfault::is(line) {
            segfault::read(line, &mut clues)?;
            true
        } else {
            oops::read(line, &mut clues)?
        };
    }
    if understood {
        Ok(clues)
    } else if let Some(other) = text.lines().find_map(trap::named) {
        Err(ExplainError::OtherTrap(other))
    } else {
        Err(ExplainError::NotUnderstood(quoted(text)))
    }
}

/// A hexadecimal address, with or without `0x`.
fn address(text: &str) -> Result<u64, ExplainError> {
    // How older kernels print a null pointer.
    if text == "(null)" {
        return Ok(0);
    }
    hex(text).ok_or_else(|| ExplainError::BadAddress(quoted(text)))
}

fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    // from_str_radix() would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}
