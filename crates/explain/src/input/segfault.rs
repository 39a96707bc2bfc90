//! The line of an unhandled SIGSEGV (`show_signal_msg` in arch/x86/mm/fault.c):
//!
//! `NAME[TID]: segfault at ADDRESS ip IP sp SP error CODE in FILE[OFFSET,START+SIZE] likely on CPU …`
//!
//! The name and the file are whatever the process chose, so the line is cut at the kernel's own
//! words, as far out as they can be.

use super::{address, hex};
use crate::{
    bits::Bits,
    clues::{Clues, Mapping, Mode, Outcome, Process},
    error::{ExplainError, quoted},
};
use fault_trace_common::ErrorCode;

const MARK: &str = "]: segfault at ";

pub(super) fn is(line: &str) -> bool {
    line.contains(MARK)
}

/// Reads a line with the mark.
pub(super) fn read(line: &str, clues: &mut Clues) -> Result<(), ExplainError> {
    let Some((who, what)) = line.split_once(MARK) else {
        return Ok(());
    };
    let (what, cpu) = what.rsplit_once(" likely on CPU ").unwrap_or((what, ""));
    let (registers, file) = what.split_once(" in ").unwrap_or((what, ""));
    // Linux 2.6 had `ip:55d0`; 32-bit and early 64-bit kernels `eip` and `rip`.
    let registers = registers.replace(':', " ");
    let mut words = registers.split_whitespace();
    clues.address = Some(address(words.next().unwrap_or_default())?);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        match name {
            "ip" | "rip" | "eip" => clues.ip = Some(address(value)?),
            "sp" | "rsp" | "esp" => clues.sp = Some(address(value)?),
            "error" => clues.bits = Bits::whole(code(value)?),
            _ => {}
        }
    }
    // Without its code, the line still tells that the access came from user mode.
    clues.bits.learn(ErrorCode::USER, true);
    clues.mode = Some(Mode::User);
    clues.outcome = Some(Outcome::Segfault);
    clues.process = process(who);
    clues.mapping = mapping(file);
    clues.cpu = cpu.split(' ').next().and_then(|number| number.parse().ok());
    Ok(())
}

fn code(text: &str) -> Result<u32, ExplainError> {
    hex(text)
        .and_then(|code| u32::try_from(code).ok())
        .ok_or_else(|| ExplainError::BadNumber(quoted(text)))
}

/// `FILE[START+SIZE]` or, in newer 6.x kernels, `FILE[OFFSET,START+SIZE]`.
fn mapping(text: &str) -> Option<Mapping> {
    let (file, range) = text.trim_end().strip_suffix(']')?.rsplit_once('[')?;
    let (offset, range) = match range.split_once(',') {
        Some((offset, range)) => (Some(hex(offset)?), range),
        None => (None, range),
    };
    let (start, size) = range.split_once('+')?;
    Some(Mapping {
        file: file.to_owned(),
        file_offset: offset,
        start: hex(start)?,
        size_bytes: hex(size)?,
    })
}

/// `PREFIX NAME[TID`.
fn process(text: &str) -> Option<Process> {
    let (prefixed, tid) = text.rsplit_once('[')?;
    Some(Process {
        name: without_prefix(prefixed).to_owned(),
        tid: tid.parse().ok()?,
    })
}

/// Cuts what dmesg, syslog or the journal put before the kernel's line.
fn without_prefix(text: &str) -> &str {
    let text = text.split_once(" kernel: ").map_or(text, |(_, rest)| rest);
    let text = text.strip_prefix("kernel: ").unwrap_or(text);
    let text = after_brackets(text);
    let text = match text.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((level, rest)) if level.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => text,
    };
    match text.split_once(' ') {
        Some((word, rest)) if is_iso_time(word) => rest,
        _ => text,
    }
    .trim_start()
}

/// What follows the last `[timestamp]` or `[caller]`.
fn after_brackets(text: &str) -> &str {
    let mut rest = text;
    let mut from = 0;
    while let Some(open) = text[from..].find('[').map(|at| from + at) {
        let Some(close) = text[open..].find(']').map(|at| open + at) else {
            break;
        };
        if is_time_or_caller(text[open + 1..close].trim()) {
            rest = &text[close + 1..];
        }
        from = open + 1;
    }
    rest
}

/// `12.345678`, `+0.000012`, `Tue Jan  2 03:04:05 2024`, and `T123` or `C0` of
/// `CONFIG_PRINTK_CALLER`.
fn is_time_or_caller(text: &str) -> bool {
    let is_number = |text: &str, also: &[char]| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_digit() || also.contains(&c))
    };
    let is_clock = |word: &str| word.len() >= 4 && word.contains(':') && is_number(word, &[':']);
    is_number(text.trim_start_matches('+'), &['.'])
        || text.split_whitespace().any(is_clock)
        || text
            .strip_prefix(['T', 'C'])
            .is_some_and(|id| is_number(id, &[]))
}

fn is_iso_time(word: &str) -> bool {
    word.contains('T') && word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit())
}
