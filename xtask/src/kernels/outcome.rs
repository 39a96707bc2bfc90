//! What a guest showed, judged.

use std::collections::BTreeMap;

use serde_json::{Deserializer, Value};

use super::{
    guest::{self, Step},
    proof::{self, Proof},
    series::Series,
};

/// A hook on a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HookState {
    Attached,
    /// The kernel does not have it.
    Missing,
    /// The kernel has it, and did not take the program.
    Refused,
    /// The kernel has it, and it was left out: it would mislead.
    LeftOut,
}

/// Everything known about one kernel.
#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Outcome {
    pub(super) release: String,
    /// The kernel is too old, and was refused.
    pub(super) refused: bool,
    /// By name, in the order of `doctor`.
    pub(super) hooks: Vec<(String, HookState)>,
    /// The classes that cannot show there, with the reason.
    pub(super) impossible: BTreeMap<String, String>,
    pub(super) proof: Proof,
    /// The class of each scenario.
    pub(super) scenarios: BTreeMap<String, String>,
    /// Command, faults started, unexplained difference.
    pub(super) reconciled: Vec<(String, u64, i64)>,
    /// What is wrong; the task fails.
    pub(super) problems: Vec<String>,
}

pub(super) fn judge(release: &str, series: Series, steps: &[Step]) -> Outcome {
    let mut outcome = Outcome {
        release: release.to_owned(),
        ..Outcome::default()
    };
    if guest::is_supported(series) {
        judge_supported(steps, &mut outcome);
    } else {
        judge_refused(steps, series, &mut outcome);
    }
    outcome
}

pub(super) fn find<'a>(steps: &'a [Step], name: &str) -> Option<&'a Step> {
    steps.iter().find(|step| step.name == name)
}

/// The last JSON object in what a step wrote, which may say other things around it.
pub(super) fn json(step: &Step) -> Option<Value> {
    let mut rest = step.output.as_str();
    let mut last = None;
    while let Some(start) = rest.find('{') {
        rest = &rest[start..];
        let mut objects = Deserializer::from_str(rest).into_iter::<Value>();
        let end = match objects.next() {
            Some(Ok(object)) => {
                last = Some(object);
                objects.byte_offset()
            }
            _ => 1,
        };
        rest = &rest[end..];
    }
    last
}

fn judge_refused(steps: &[Step], series: Series, outcome: &mut Outcome) {
    let clear = find(steps, guest::REFUSED).is_some_and(|step| {
        step.status == Some(3)
            && step.output.contains("is older than")
            && !step.output.contains('{')
    });
    let doctor = find(steps, guest::DOCTOR).and_then(json);
    let told = doctor.is_some_and(|doctor| doctor["can_trace"] == false);
    outcome.refused = clear && told;
    if !outcome.refused {
        outcome.problems.push(format!(
            "{series} is not refused with exit status 3 and the reason"
        ));
    }
}

fn judge_supported(steps: &[Step], outcome: &mut Outcome) {
    for step in steps {
        if step.status != Some(0) {
            let ended = step.status.map_or("did not end".to_owned(), |status| {
                format!("ended with status {status}")
            });
            let last = last_lines(&step.output);
            outcome
                .problems
                .push(format!("`{}` {ended}:\n{last}", step.name));
        }
    }
    let recording = find(steps, guest::RECORDING).and_then(json);
    let doctor = find(steps, guest::DOCTOR).and_then(json);
    match (doctor, recording) {
        (Some(doctor), Some(recording)) => {
            outcome.hooks = hooks(&doctor);
            outcome.impossible = impossible(&doctor);
            let support = &recording["run"]["support"];
            if support["hooks"] != doctor["hooks"] || support["classes"] != doctor["classes"] {
                let problem = "a recording says other things of hooks and classes than doctor";
                outcome.problems.push(problem.to_owned());
            }
        }
        _ => outcome
            .problems
            .push("doctor or the recording cannot be read".to_owned()),
    }
    let refused = outcome
        .hooks
        .iter()
        .filter(|(_, state)| *state == HookState::Refused);
    let refused: Vec<String> = refused
        .map(|(name, _)| format!("{name} is refused"))
        .collect();
    outcome.problems.extend(refused);
    let notes = find(steps, guest::RECORD).map_or("", |step| &step.output);
    for (name, _) in outcome
        .hooks
        .iter()
        .filter(|(_, state)| *state == HookState::Missing)
    {
        let times = notes.matches(&format!(":{name}:")).count();
        if times != 1 {
            let problem = format!("`record` notes {times} times that {name} is missing");
            outcome.problems.push(problem);
        }
    }
    for step in steps {
        if let Some(command) = step.name.strip_prefix(guest::RECONCILE) {
            reconcile(command, json(step), outcome);
        }
    }
    let list = find(steps, guest::SCENARIOS).map_or("", |step| &step.output);
    outcome.scenarios = proof::classes_of_scenarios(list);
    for step in steps {
        if let Some(file_system) = step.name.strip_prefix(guest::PROOF) {
            outcome.proof.add(proof::parse(&step.output), file_system);
        }
    }
    if outcome.proof.classes.is_empty() {
        outcome.problems.push("the proof shows nothing".to_owned());
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

fn reconcile(command: &str, report: Option<Value>, outcome: &mut Outcome) {
    let accounting = report.map(|report| report["accounting"].clone());
    let accounting = accounting.unwrap_or_default();
    let (started, unexplained) = (
        accounting["started"].as_u64(),
        accounting["unexplained"].as_i64(),
    );
    let (Some(started), Some(unexplained)) = (started, unexplained) else {
        outcome
            .problems
            .push(format!("`{command}` has no accounting"));
        return;
    };
    if started == 0 || accounting["adds_up"] != true {
        outcome
            .problems
            .push(format!("`{command}` does not add up: {accounting}"));
    }
    let has_cause = accounting["causes"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    if unexplained != 0 && !has_cause {
        outcome.problems.push(format!(
            "`{command}`: {unexplained} of the kernel's faults are unexplained, and no cause is named"
        ));
    }
    outcome
        .reconciled
        .push((command.to_owned(), started, unexplained));
}

fn hooks(doctor: &Value) -> Vec<(String, HookState)> {
    let hooks = doctor["hooks"].as_array().into_iter().flatten();
    let state = |hook: &Value| {
        Some(match hook["state"].as_str()? {
            "attached" => HookState::Attached,
            "missing" => HookState::Missing,
            "refused" => HookState::Refused,
            _ => HookState::LeftOut,
        })
    };
    hooks
        .filter_map(|hook| Some((hook["hook"].as_str()?.to_owned(), state(hook)?)))
        .collect()
}

fn impossible(doctor: &Value) -> BTreeMap<String, String> {
    let classes = doctor["classes"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    classes
        .filter(|class| class["best"] == "impossible")
        .map(|class| (text(&class["class"]), text(&class["reason"])))
        .collect()
}

#[cfg(test)]
mod tests;
