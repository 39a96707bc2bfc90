//! The explanation: everything concluded from the clues, ready for text and JSON.

use fault_trace_common::{Class, ErrorCode};
use serde::Serialize;

use super::{
    Address, Bit, CodeLocation, Mode, Outcome, Process, SCHEMA, Step,
    clues::Clues,
    hex::{hex, hex_option},
    path,
};

/// A fault explained. Numbers that are addresses or codes are hexadecimal strings in JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Explanation {
    pub schema: u32,
    /// The whole error code, where it is known.
    #[serde(serialize_with = "hex_option")]
    pub error_code: Option<u32>,
    /// The bits that are known, lowest first.
    pub bits: Vec<Bit>,
    /// Set bits that have no meaning; 0 if there are none.
    #[serde(serialize_with = "hex")]
    pub unknown_bits: u32,
    /// The fault in one sentence.
    pub sentence: String,
    /// `read`, `write` or `exec`.
    pub access: Option<&'static str>,
    pub mode: Option<Mode>,
    /// Whether the page was present: a protection fault.
    pub present: Option<bool>,
    pub outcome: Option<Outcome>,
    pub address: Option<Address>,
    pub process: Option<Process>,
    pub cpu: Option<u32>,
    pub code: Option<CodeLocation>,
    /// The handler's path, in its order. A step with endings may be the last one; it is for certain
    /// if it is the only one with endings.
    pub path: Vec<Step>,
    /// The classes under which fault-trace would count such a fault.
    pub classes: Vec<Class>,
    pub notes: Vec<String>,
}

impl Explanation {
    pub(super) fn of(clues: Clues) -> Self {
        let path = path::of(&clues);
        let mut notes = clues.notes.clone();
        notes.extend(contradictions(&clues, &path));
        Self {
            schema: SCHEMA,
            error_code: clues.bits.code(),
            bits: clues.bits.named(),
            unknown_bits: clues.bits.unknown(),
            sentence: sentence(&clues),
            access: access(&clues),
            mode: clues.mode(),
            present: clues.bits.get(ErrorCode::PRESENT),
            outcome: clues.outcome,
            address: clues.address.map(|address| Address::of(address, &clues)),
            code: CodeLocation::of(&clues),
            classes: Class::ALL
                .into_iter()
                .filter(|class| path.iter().any(|step| step.classes.contains(class)))
                .collect(),
            path,
            process: clues.process,
            cpu: clues.cpu,
            notes,
        }
    }
}

fn access(clues: &Clues) -> Option<&'static str> {
    match (
        clues.bits.get(ErrorCode::INSTRUCTION),
        clues.bits.get(ErrorCode::WRITE),
    ) {
        (Some(true), _) => Some("exec"),
        (_, Some(true)) => Some("write"),
        (Some(false), Some(false)) => Some("read"),
        _ => None,
    }
}

fn sentence(clues: &Clues) -> String {
    let mode = match clues.mode() {
        Some(Mode::User) => "A user-mode ",
        Some(Mode::Kernel) => "A kernel-mode ",
        None => "An ",
    };
    let access = match access(clues) {
        Some("exec") => "instruction fetch from",
        Some("write") => "write to",
        Some(_) => "read of",
        None => "access to",
    };
    let page = match clues.bits.get(ErrorCode::PRESENT) {
        Some(true) => "a page that was present but forbade it",
        Some(false) => "a page that was not present",
        None => "a page",
    };
    let end = match clues.outcome {
        Some(Outcome::Segfault) => ": the process got SIGSEGV",
        Some(Outcome::Oops) => ": the kernel reported an oops",
        None => "",
    };
    format!("{mode}{access} {page}{end}.")
}

fn contradictions(clues: &Clues, path: &[Step]) -> Vec<String> {
    let mut notes = Vec::new();
    if clues.bits.unknown() != 0 {
        notes.push("the error code has bits without a meaning: is it a page fault's?".to_owned());
    }
    if clues.bits.get(ErrorCode::WRITE) == Some(true)
        && clues.bits.get(ErrorCode::INSTRUCTION) == Some(true)
    {
        notes.push("no access is both a write and an instruction fetch".to_owned());
    }
    if path.iter().all(|step| step.endings.is_empty()) {
        notes.push("these facts do not fit together: no path of the handler ends so".to_owned());
    }
    notes
}
