//! What a recording's faults refer to.

use crate::{
    analysis::Tables,
    recording::{Recording, RecordingError},
};

/// Everything but the faults.
pub(super) fn read(recording: &Recording) -> Result<Tables, RecordingError> {
    let mut tables = Tables::default();
    for row in recording.mappings() {
        tables.mapping(row?);
    }
    for row in recording.locations() {
        tables.location(row?);
    }
    for row in recording.symbols() {
        tables.symbol(row?);
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
    Ok(tables)
}
