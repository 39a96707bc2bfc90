//! The slowest faults of a recording.

use super::faults;
use crate::{
    analysis::{
        FaultFilter, SlowFault, Tables,
        slowest::{Surroundings, Worst},
    },
    filter::Values,
    model::{Field, Fields},
    output::progress::Output,
    recording::Recording,
};

/// At most `limit` of those that pass `filter`.
pub(super) fn slowest(
    recording: &Recording,
    tables: &Tables,
    limit: usize,
    filter: FaultFilter,
) -> anyhow::Result<Vec<SlowFault>> {
    let find = |fields, filter: &FaultFilter| -> anyhow::Result<Worst> {
        let mut worst = Worst::new(limit, filter.clone());
        faults::batches(recording, fields, filter, Output::AtTheEnd, |batch| {
            batch.iter().for_each(|fault| worst.fault(fault));
            Ok::<(), anyhow::Error>(())
        })?;
        Ok(worst)
    };
    // Whole faults are read only where there are some as slow as that.
    let least_ns = find(Worst::FIELDS, &filter)?.least_ns().unwrap_or(0);
    let filter = filter.and(Field::Latency, Values::Within(least_ns, u64::MAX));
    let worst = find(Fields::ALL, &filter)?;
    let mut surroundings = worst.surroundings();
    let everything = FaultFilter::default();
    faults::batches(
        recording,
        Surroundings::FIELDS,
        &everything,
        Output::AtTheEnd,
        |batch| {
            batch.iter().for_each(|fault| surroundings.fault(fault));
            Ok::<(), anyhow::Error>(())
        },
    )?;
    Ok(surroundings.finish(tables, recording.run.started_ns))
}
