//! Latencies by percentile, of all faults or a file a class.

use std::{fs, path::Path};

use anyhow::Context as _;

use super::faults;

use crate::{
    analysis::{FaultFilter, Tally},
    export,
    folder::Folder,
    model::{ClassTotals, Fault, Field, Fields},
    recording::Recording,
    session::{destination, progress::Output},
};

/// What [`ClassTotals::add_fault`] looks at.
const FIELDS: Fields = Fields::of(&[
    Field::Class,
    Field::Confidence,
    Field::Evidence,
    Field::Latency,
    Field::Pages,
    Field::Phases,
]);

/// The totals of the classes that pass the filter: the kernel's, which are exact, or those of the
/// recorded faults where the filter asks for more than classes.
pub(super) fn tallies(
    recording: &Recording,
    filter: &FaultFilter,
) -> anyhow::Result<Vec<ClassTotals>> {
    if let Some(mask) = filter.classes_alone() {
        let mut classes = recording.run.totals.classes.clone();
        classes.retain(|totals| mask & totals.class.bit() != 0);
        return Ok(classes);
    }
    let mut classes: Vec<ClassTotals> = Vec::new();
    faults::batches(recording, FIELDS, filter, Output::AtTheEnd, |batch| {
        for fault in batch.iter().filter(|fault| filter.admits(fault)) {
            add(&mut classes, fault);
        }
        Ok(())
    })?;
    Ok(classes)
}

fn add(classes: &mut Vec<ClassTotals>, fault: &Fault) {
    let index = classes.binary_search_by_key(&fault.class, |totals| totals.class);
    let index = index.unwrap_or_else(|place| {
        classes.insert(place, ClassTotals::empty(fault.class));
        place
    });
    classes[index].add_fault(fault);
}

/// The distribution of all classes together; empty without a known latency.
pub(super) fn all(classes: &[ClassTotals]) -> String {
    export::hgrm(&Tally::new(classes)).unwrap_or_default()
}

/// Writes `all.hgrm` and a file for each class that has latencies.
pub(super) fn to_folder(
    recording: &Recording,
    filter: &FaultFilter,
    folder: &Path,
) -> anyhow::Result<()> {
    let classes = tallies(recording, filter)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let opened =
        Folder::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    let write = |name: &str, text: String| {
        let name = format!("{name}.hgrm");
        destination::replace(&opened, &name, text.as_bytes())
            .with_context(|| format!("cannot write {}", folder.join(&name).display()))
    };
    write("all", all(&classes))?;
    for totals in &classes {
        if let Some(text) = export::hgrm(&Tally::new([totals])) {
            write(totals.class.name(), text)?;
        }
    }
    Ok(())
}
