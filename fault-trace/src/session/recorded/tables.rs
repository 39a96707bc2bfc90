//! What a recording's faults refer to.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use crate::{
    analysis::Tables,
    host::symbols::{Options, Resolver},
    model::{
        attribution::{LocationKind, LocationRow, SymbolRow},
        code::CodePlace,
    },
    recording::{Recording, RecordingError},
};

/// Everything but the faults. Code that the recording does not name, because its end is missing or
/// `debug_directories` may tell more, is named now: from files with the same build id.
pub(super) fn read(
    recording: &Recording,
    debug_directories: &[PathBuf],
) -> Result<Tables, RecordingError> {
    let mut tables = Tables::default();
    for row in recording.mappings() {
        tables.mapping(row?);
    }
    for row in recording.stacks() {
        tables.stack(row?);
    }
    for row in recording.cgroups() {
        tables.cgroup(row?);
    }
    for row in recording.tasks() {
        tables.task(&row?);
    }
    let locations = recording.locations().collect::<Result<Vec<_>, _>>()?;
    let symbols = recording.symbols().collect::<Result<Vec<_>, _>>()?;
    let found = if recording.run.complete && debug_directories.is_empty() {
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
    Ok(tables)
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
    let mut resolver = Resolver::new(Options {
        debug_directories: [debug_directories, &usual.debug_directories].concat(),
        // Only files with the same build id are taken, so that nothing else need be of this boot.
        this_boot: false,
        ..usual
    });
    let places: Vec<CodePlace> = wanting.iter().map(|location| location.place()).collect();
    let resolved = resolver.resolve(&places, None);
    let named = wanting
        .iter()
        .zip(resolved)
        .filter_map(|(location, names)| {
            let frames = names.ok()?;
            Some((location.id, SymbolRow::of(location.id, &frames).collect()))
        });
    named.collect()
}
