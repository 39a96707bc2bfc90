//! What a recording lacks, on standard error.

use crate::{analysis::Tables, messages, recording::Recording, render};

/// What is missing in the recording beside what is damaged, to standard error.
pub(crate) fn say_missing(recording: &Recording) {
    for note in recording.completeness.notes() {
        messages::say(note);
    }
}

/// Says which faults the recording was never to hold: no form of them is scaled up.
pub(crate) fn say_thinned(recording: &Recording) {
    let options = &recording.run.options;
    let mut kept = Vec::new();
    if options.sample > 1 {
        kept.push(format!(
            "1 in {}",
            render::units::count(options.sample.into())
        ));
    }
    if options.min_latency_ns > 0 {
        let least = render::units::duration(options.min_latency_ns);
        kept.push(format!("those of {least} or more"));
    }
    if kept.is_empty() {
        return;
    }
    let held = recording.completeness.fault_rows;
    let counts = &recording.run.totals.counts;
    messages::say(format_args!(
        "the recording holds {} of the run's {}: only {} were recorded, and nothing is scaled up",
        render::units::count(held),
        render::units::counted(
            counts.minor + counts.major + counts.failed,
            "fault",
            "faults"
        ),
        kept.join(" and of them "),
    ));
}

/// Says where there are no stacks to fold, once however many recordings have none.
pub(crate) fn say_stackless(tables: &[&Tables]) {
    if tables.iter().any(|tables| !tables.has_stacks()) {
        messages::say(if let [_] = tables {
            "the recording holds no stacks, only the faulting functions; record with -g to get them"
        } else {
            "not both recordings hold stacks; record both with -g to compare them"
        });
    }
}

/// What turned out to be damaged in the recording, to standard error.
pub(crate) fn say_damage(recording: &Recording) {
    for damaged in recording.damage() {
        messages::say(format_args!("lost: {damaged}"));
    }
}
