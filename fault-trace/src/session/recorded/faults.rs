//! One pass over a recording's faults, with a progress bar.

use crate::{
    analysis::FaultFilter,
    model::{Fault, Field, Fields},
    recording::{Recording, Wanted},
    session::progress::{Output, ReadingBar},
};

/// Hands out the faults batch by batch, of which only `fields` and what `filter` looks at are read, and
/// among which some that `filter` refuses may be missing: returns how many. What is damaged is noted in the
/// recording.
pub(super) fn batches(
    recording: &Recording,
    fields: Fields,
    filter: &FaultFilter,
    output: Output,
    mut take: impl FnMut(&[Fault]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let bar = ReadingBar::new(recording.completeness.fault_rows, output);
    let mut faults = recording.faults_wanted(wanted(fields, filter));
    let mut passed_over = 0;
    while let Some(batch) = faults.next_batch() {
        let batch = match batch {
            Ok(batch) => batch,
            Err(damaged) => {
                recording.note_damage(damaged);
                continue;
            }
        };
        take(batch)?;
        bar.advance(batch.len() as u64 + faults.passed_over() - passed_over);
        passed_over = faults.passed_over();
    }
    Ok(faults.passed_over())
}

fn wanted(fields: Fields, filter: &FaultFilter) -> Wanted {
    let mut wanted = Wanted::fields(fields.and(filter.fields()));
    if let Some((from_ns, to_ns)) = filter.window_ns {
        wanted = wanted.within(Field::Time, from_ns, to_ns.saturating_sub(1));
    }
    if let Some((first, last)) = filter.addresses {
        wanted = wanted.within(Field::Address, first, last);
    }
    if let Some(pids) = &filter.pids
        && let (Some(&first), Some(&last)) = (pids.first(), pids.last())
    {
        wanted = wanted.within(Field::Pid, first.into(), last.into());
    }
    if filter.min_latency_ns > 0 {
        wanted = wanted.within(Field::Latency, filter.min_latency_ns, u64::MAX);
    }
    wanted
}
