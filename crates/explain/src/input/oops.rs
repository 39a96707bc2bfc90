//! The lines of a kernel oops (`show_fault_oops` in arch/x86/mm/fault.c, `__die_header` in
//! arch/x86/kernel/dumpstack.c), of today's and of older kernels.

use fault_trace_common::ErrorCode;

use super::{address, hex};
use crate::{
    bits::Bits,
    clues::{Clues, Mode, Outcome},
    error::ExplainError,
};

/// The first line of a report, up to the address.
const BEGINNINGS: [&str; 5] = [
    "BUG: kernel NULL pointer dereference, address: ",
    "BUG: unable to handle page fault for address: ",
    // Before 5.1.
    "BUG: unable to handle kernel NULL pointer dereference at ",
    "BUG: unable to handle kernel paging request at ",
    ": Corrupted page table at address ",
];

/// What an error code is said to mean, and the bits this tells.
const VIOLATIONS: [(&str, &[(u32, bool)]); 5] = [
    ("not-present page", &[(ErrorCode::PRESENT, false)]),
    (
        "reserved bit violation",
        &[(ErrorCode::PRESENT, true), (ErrorCode::RESERVED, true)],
    ),
    (
        "protection keys violation",
        &[
            (ErrorCode::PRESENT, true),
            (ErrorCode::PROTECTION_KEY, true),
        ],
    ),
    (
        "RMP violation",
        &[(ErrorCode::PRESENT, true), (ErrorCode::RMP, true)],
    ),
    ("permissions violation", &[(ErrorCode::PRESENT, true)]),
];

/// Whether the line begins the report of a fault.
pub(super) fn begins(line: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| line.contains(beginning))
}

/// Reads one line; `false` if it tells nothing of a page fault.
pub(super) fn read(line: &str, clues: &mut Clues) -> Result<bool, ExplainError> {
    Ok(beginning(line, clues)?
        || access(line, clues)
        || error_code(line, clues)
        || violation(line, clues)
        || registers(line, clues))
}

fn beginning(line: &str, clues: &mut Clues) -> Result<bool, ExplainError> {
    let Some(after) = BEGINNINGS.iter().find_map(|words| after(line, words)) else {
        return Ok(false);
    };
    clues.address = Some(address(
        after.split_whitespace().next().unwrap_or_default(),
    )?);
    clues.outcome = Some(Outcome::Oops);
    if line.contains("NULL pointer") {
        clues.mode = Some(Mode::Kernel);
    }
    if line.contains("Corrupted page table") {
        clues.bits.learn(ErrorCode::RESERVED, true);
    }
    Ok(true)
}

/// `#PF: supervisor write access in kernel mode`.
fn access(line: &str, clues: &mut Clues) -> bool {
    let Some(words) = after(line, "#PF: ") else {
        return false;
    };
    let (fetch, write) = if words.contains("instruction fetch") {
        (true, false)
    } else if words.contains("write access") {
        (false, true)
    } else if words.contains("read access") {
        (false, false)
    } else {
        return false;
    };
    clues.bits.learn(ErrorCode::USER, words.starts_with("user"));
    clues.bits.learn(ErrorCode::INSTRUCTION, fetch);
    if !fetch {
        clues.bits.learn(ErrorCode::WRITE, write);
    }
    if words.trim_end().ends_with("in user mode") {
        clues.mode = Some(Mode::User);
    } else if words.trim_end().ends_with("in kernel mode") {
        clues.mode = Some(Mode::Kernel);
    }
    clues.outcome.get_or_insert(Outcome::Oops);
    true
}

/// `#PF: error_code(0x0002) - …`, and `Oops: 0002 [#1] …` (`Oops: Oops: 0002 …` in newer kernels).
fn error_code(line: &str, clues: &mut Clues) -> bool {
    let text = after(line, "error_code(").or_else(|| {
        let text = after(line, "Oops: ")?;
        Some(text.trim_start_matches("Oops: ")).filter(|text| text.contains("[#"))
    });
    let digits = text.and_then(|text| text.split([')', ' ']).next());
    let code = digits
        .and_then(hex)
        .and_then(|code| u32::try_from(code).ok());
    let Some(code) = code else {
        return false;
    };
    clues.bits = Bits::whole(code);
    clues.outcome.get_or_insert(Outcome::Oops);
    true
}

fn violation(line: &str, clues: &mut Clues) -> bool {
    let Some((_, bits)) = VIOLATIONS.iter().find(|(words, _)| line.contains(words)) else {
        return false;
    };
    for &(bit, set) in *bits {
        clues.bits.learn(bit, set);
    }
    clues.outcome.get_or_insert(Outcome::Oops);
    true
}

/// `RIP: 0010:function+0x12/0x340` and `CR2: 0000000000000010`. A register dump alone tells too
/// little, so these lines only add to others; the first dump is the faulting one.
fn registers(line: &str, clues: &mut Clues) -> bool {
    if clues.outcome != Some(Outcome::Oops) {
        return false;
    }
    if let Some(cr2) = after(line, "CR2: ")
        && clues.address.is_none()
    {
        clues.address = cr2.split_whitespace().next().and_then(hex);
    }
    if let Some((selector, place)) = after(line, "RIP: ").and_then(|rip| rip.split_once(':'))
        && clues.symbol.is_none()
        && clues.ip.is_none()
    {
        // The selector's low two bits are the privilege level.
        let level = hex(selector).map(|selector| selector & 3);
        clues.mode = clues.mode.or(match level {
            Some(0) => Some(Mode::Kernel),
            Some(3) => Some(Mode::User),
            _ => None,
        });
        match hex(place.trim()) {
            Some(ip) => clues.ip = Some(ip),
            None => clues.symbol = Some(place.trim().to_owned()),
        }
    }
    false
}

fn after<'a>(line: &'a str, words: &str) -> Option<&'a str> {
    line.split_once(words).map(|(_, rest)| rest)
}
