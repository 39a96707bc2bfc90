//! A bare error code.

use super::hex;
use crate::{
    bits::Bits,
    clues::Clues,
    error::{ExplainError, quoted},
};

const LABELS: [&str; 3] = ["error_code", "error code", "error"];

/// Reads an error code; `None` if the text does not look like one.
pub(super) fn parse(text: &str) -> Option<Result<Clues, ExplainError>> {
    let labelled = LABELS.iter().find_map(|label| text.strip_prefix(label));
    let number = labelled
        .unwrap_or(text)
        .trim_start_matches([' ', ':', '=', '('])
        .trim_end_matches(')');
    let is_one_word = !number.is_empty() && !number.contains(char::is_whitespace);
    if !is_one_word || (labelled.is_none() && !number.starts_with(|c: char| c.is_ascii_hexdigit()))
    {
        return None;
    }
    let Some(code) = value(number) else {
        // Not a number at all, unless it was called one or begins as one.
        let claims = labelled.is_some() || number.starts_with(|c: char| c.is_ascii_digit());
        return claims.then(|| Err(ExplainError::BadNumber(quoted(number))));
    };
    let mut clues = Clues {
        bits: Bits::whole(code),
        ..Clues::default()
    };
    if code > 9 && number.bytes().all(|byte| byte.is_ascii_digit()) {
        clues.notes.push(format!(
            "read as hexadecimal, as the kernel prints it: 0x{number}"
        ));
    }
    Some(Ok(clues))
}

fn value(number: &str) -> Option<u32> {
    match number.strip_prefix("0b") {
        Some(bits) if bits.starts_with(['0', '1']) => u32::from_str_radix(bits, 2).ok(),
        Some(_) => None,
        None => hex(number).and_then(|code| u32::try_from(code).ok()),
    }
}
