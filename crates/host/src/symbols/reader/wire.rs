//! Names as messages.

use super::Surroundings;
use crate::symbols::protocol::{Answer, MESSAGE_MAX, NAME_MAX, Name, Unnamed};
use fault_trace_model::code::{Frame, Resolution, Unresolved};

/// Bound: functions at one place; more are inlined into one another than anybody reads.
const FRAMES_MAX: usize = 64;

/// Sends the names of as many places, in as many messages as they need.
pub(super) fn send_names(found: &[Resolution], around: &mut impl Surroundings) {
    // What one place takes at most must fit behind what is there already.
    const ROOM: usize = MESSAGE_MAX / 2;
    let (mut names, mut bytes) = (Vec::new(), 0);
    for resolution in found {
        let place = place(resolution);
        bytes += size_bytes(&place);
        names.push(place);
        if bytes >= ROOM {
            around.answer(Answer::Named(std::mem::take(&mut names)));
            bytes = 0;
        }
    }
    if !names.is_empty() {
        around.answer(Answer::Named(names));
    }
}

/// As many functions as fit into half a message, the outermost kept.
fn place(resolution: &Resolution) -> Result<Vec<Name>, Unnamed> {
    let frames = match resolution {
        Ok(frames) => frames,
        Err(reason) => return Err(unnamed(*reason)),
    };
    let skipped = frames.len().saturating_sub(FRAMES_MAX);
    let mut names: Vec<Name> = frames.iter().skip(skipped).map(name).collect();
    while size_bytes_of(&names) > MESSAGE_MAX / 3 && names.len() > 1 {
        names.remove(0);
    }
    Ok(names)
}

/// About the bytes that it takes.
fn size_bytes(place: &Result<Vec<Name>, Unnamed>) -> usize {
    place.as_ref().map_or(0, |names| size_bytes_of(names)) + 4
}

fn size_bytes_of(names: &[Name]) -> usize {
    let source = |name: &Name| name.source.as_ref().map_or(0, |(file, ..)| file.len() + 12);
    let size = |name: &Name| name.function.len() + source(name) + 16;
    names.iter().map(size).sum()
}

fn name(frame: &Frame) -> Name {
    let source = frame.source.as_ref();
    Name {
        function: bounded(&frame.function),
        offset_bytes: frame.offset_bytes,
        source: source.map(|line| (bounded(&line.file), line.line, line.column)),
        inlined: frame.inlined,
    }
}

/// The text, cut visibly if it is too long.
fn bounded(text: &str) -> String {
    if text.len() <= NAME_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(NAME_MAX - "…".len());
    format!("{}…", &text[..end])
}

const fn unnamed(reason: Unresolved) -> Unnamed {
    match reason {
        Unresolved::NoFile => Unnamed::NoFile,
        Unresolved::NotElf => Unnamed::NotElf,
        Unresolved::NoSymbols => Unnamed::NoSymbols,
        Unresolved::NoSymbolHere => Unnamed::NoSymbolHere,
        Unresolved::NoPerfMap => Unnamed::NoPerfMap,
        Unresolved::NotInPerfMap => Unnamed::NotInPerfMap,
        _ => Unnamed::Unreadable,
    }
}
