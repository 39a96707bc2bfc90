//! The slowest faults of a recording.

use crate::{
    analysis::{FaultFilter, SlowFault, Tables, slowest::Worst},
    recording::{Recording, RecordingError},
};

/// At most `limit` of those that pass `filter`.
pub(super) fn slowest(
    recording: &Recording,
    tables: &Tables,
    limit: usize,
    filter: FaultFilter,
) -> Result<Vec<SlowFault>, RecordingError> {
    let mut worst = Worst::new(limit, filter);
    for fault in recording.faults() {
        worst.fault(&fault?);
    }
    let mut surroundings = worst.surroundings();
    for fault in recording.faults() {
        surroundings.fault(&fault?);
    }
    Ok(surroundings.finish(tables, recording.run.started_ns))
}
