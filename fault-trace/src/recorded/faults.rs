//! One pass over a recording's faults, with a progress bar.

use crate::{
    analysis::FaultFilter,
    model::{Fault, Fields},
    output::progress::{Output, ReadingBar},
    recording::{Recording, Wanted},
};

/// Hands out the faults batch by batch, of which only `fields` and what `filter` looks at are read, and
/// among which some that `filter` refuses may be missing: returns how many. What is damaged is noted in the
/// recording.
pub(crate) fn batches<E>(
    recording: &Recording,
    fields: Fields,
    filter: &FaultFilter,
    output: Output,
    mut take: impl FnMut(&[Fault]) -> Result<(), E>,
) -> Result<u64, E> {
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
    let wanted = Wanted::fields(fields.and(filter.fields()));
    filter
        .bounds()
        .fold(wanted, |wanted, (field, first, last)| {
            wanted.within(field, first, last)
        })
}
