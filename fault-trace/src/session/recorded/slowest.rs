//! The slowest faults of a recording.

use super::faults;
use crate::{
    analysis::{
        FaultFilter, SlowFault, Tables,
        slowest::{Surroundings, Worst},
    },
    model::Fields,
    recording::Recording,
};

/// At most `limit` of those that pass `filter`.
pub(super) fn slowest(
    recording: &Recording,
    tables: &Tables,
    limit: usize,
    filter: FaultFilter,
) -> anyhow::Result<Vec<SlowFault>> {
    let mut worst = Worst::new(limit, filter.clone());
    faults::batches(recording, Fields::ALL, &filter, |batch| {
        batch.iter().for_each(|fault| worst.fault(fault));
        Ok(())
    })?;
    let mut surroundings = worst.surroundings();
    let everything = FaultFilter::default();
    faults::batches(recording, Surroundings::FIELDS, &everything, |batch| {
        batch.iter().for_each(|fault| surroundings.fault(fault));
        Ok(())
    })?;
    Ok(surroundings.finish(tables, recording.run.started_ns))
}
