//! What a recording's faults refer to.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use crate::{
    analysis::Tables,
    exit::Unusable,
    export::Definition,
    host::symbols::{Options, Symbols},
    messages,
    model::damage::DamagedFile,
    model::{
        attribution::{LocationKind, LocationRow, SymbolRow},
        code::{CodePlace, CodeSpot, Unresolved},
    },
    recording::Recording,
};

/// Bound of the locations and of the symbols that are looked at, and of the bytes of their text.
const MOST_ROWS: usize = 1 << 22;
const MOST_TEXT_BYTES: usize = 64 << 20;
/// No thread's name is longer; the kernel's have 15 bytes.
const LONGEST_COMM: usize = 64;

/// Refuses folders of debug files that are none.
///
/// # Errors
/// Which it is.
pub(crate) fn check_folders(debug_directories: &[PathBuf]) -> anyhow::Result<()> {
    match debug_directories.iter().find(|folder| !folder.is_dir()) {
        None => Ok(()),
        Some(none) => Err(Unusable(format!(
            "--debug-dir {} is no directory; give the one that debug files lie below, as /usr/lib/debug",
            none.display()
        ))
        .into()),
    }
}

/// Everything but the faults. Code that the recording does not name, because its end is missing or was
/// hurried, or `debug_directories` may tell more, is named now: from files with the same build id. What is
/// damaged is noted in the recording and left out.
pub(crate) fn read_tables(recording: &Recording, debug_directories: &[PathBuf]) -> Tables {
    let mut tables = Tables::default();
    intact(recording, recording.mappings()).for_each(|row| tables.mapping(row));
    intact(recording, recording.stacks()).for_each(|row| tables.stack(row));
    intact(recording, recording.cgroups()).for_each(|row| tables.cgroup(row));
    intact(recording, recording.tasks()).for_each(|mut row| {
        row.comm.truncate(LONGEST_COMM);
        tables.task(&row);
    });
    let locations = intact(recording, recording.locations());
    let locations = bounded(locations, LocationRow::text_bytes, &mut tables);
    let symbols = intact(recording, recording.symbols());
    let symbols = bounded(symbols, SymbolRow::text_bytes, &mut tables);
    let is_named = recording.run.complete && recording.run.unread.abandoned == 0;
    let found = if is_named && debug_directories.is_empty() {
        HashMap::new()
    } else {
        look_again(&locations, &symbols, debug_directories)
    };
    let known = symbols
        .into_iter()
        .filter(|symbol| !found.contains_key(&symbol.location_id));
    known.for_each(|symbol| tables.symbol(symbol));
    found
        .into_values()
        .flatten()
        .for_each(|symbol| tables.symbol(symbol));
    locations.into_iter().for_each(|row| tables.location(row));
    tables
}

/// What the faults refer to, as far as the form looks at it.
pub(crate) fn named_tables(
    recording: &Recording,
    form: &Definition,
    debug_directories: &[PathBuf],
) -> Tables {
    if !form.has_names {
        return Tables::default();
    }
    read_tables(recording, debug_directories)
}

/// The rows that can be read.
fn intact<R>(
    recording: &Recording,
    rows: impl Iterator<Item = Result<R, DamagedFile>>,
) -> impl Iterator<Item = R> {
    rows.filter_map(|row| row.map_err(|damaged| recording.note_damage(damaged)).ok())
}

/// As many rows as are looked at; the others count as not kept.
fn bounded<R>(
    rows: impl Iterator<Item = R>,
    text_bytes: impl Fn(&R) -> usize,
    tables: &mut Tables,
) -> Vec<R> {
    let (mut kept, mut bytes) = (Vec::new(), 0_usize);
    for row in rows {
        bytes = bytes.saturating_add(text_bytes(&row));
        if kept.len() < MOST_ROWS && bytes <= MOST_TEXT_BYTES {
            kept.push(row);
        } else {
            tables.not_kept_elsewhere(1);
        }
    }
    kept
}

/// The functions of locations that have none, or, where folders are given, no source line.
fn look_again(
    locations: &[LocationRow],
    symbols: &[SymbolRow],
    debug_directories: &[PathBuf],
) -> HashMap<u32, Vec<SymbolRow>> {
    let known: HashSet<u32> = symbols
        .iter()
        .filter(|symbol| symbol.source_line.is_some() || debug_directories.is_empty())
        .map(|symbol| symbol.location_id)
        .collect();
    let wanting: Vec<&LocationRow> = locations
        .iter()
        .filter(|location| location.kind == LocationKind::File && !known.contains(&location.id))
        .collect();
    if wanting.is_empty() {
        return HashMap::new();
    }
    let usual = Options::default();
    let mut symbols = Symbols::start(&Options {
        debug_directories: [debug_directories, &usual.debug_directories].concat(),
        // Only files with the same build id are taken, so that nothing else need be of this boot.
        this_boot: false,
        ..usual
    });
    let places: Vec<(CodePlace, CodeSpot)> = wanting
        .iter()
        .map(|location| (location.place(), CodeSpot::Place(location.place())))
        .collect();
    let resolved = symbols.resolve(&places);
    let is_missed = resolved
        .iter()
        .any(|found| matches!(found, Err(Unresolved::GivenUp)));
    for note in symbols.losses().notes(is_missed) {
        messages::say(note);
    }
    let named = wanting
        .iter()
        .zip(resolved)
        .filter_map(|(location, names)| {
            let frames = names.ok()?;
            Some((location.id, SymbolRow::of(location.id, &frames).collect()))
        });
    named.collect()
}
