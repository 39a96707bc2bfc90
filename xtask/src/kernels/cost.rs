//! What each mode of tracing adds to a fault, in instructions: counted by the emulator, and so nearly the
//! same from run to run, unlike times. A budget in the repository says how many they may be.

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::guest::Step;
use crate::command::say;

/// The kernel that the budget is for.
pub(super) const SERIES: &str = "6.12";
const BUDGET: &str = "xtask/src/kernels/budget.json";
/// Pages and rounds: a round is too short for the tracer to wake up in every one. By its path, since
/// busybox has a `touch` of its own.
const WORKLOAD: &str = "/bin/touch 256 64";
const UNTRACED: &str = "untraced";
/// How far a mode may be above its budget, in percent: another build of the same kernel or compiler
/// lays out its code otherwise.
const TOLERANCE_PERCENT: f64 = 3.0;
/// And in instructions: where the workload's memory lies makes a difference of about 20 from boot to
/// boot.
const TOLERANCE: f64 = 40.0;

/// Mode and command; the floor is there before the workload.
const MODES: [(&str, &str); 6] = [
    (UNTRACED, ""),
    ("floor", ""),
    ("stat core", "fault-trace stat --evidence core -- "),
    ("stat", "fault-trace stat -- "),
    (
        "record core",
        "fault-trace record --evidence core -o core.ftrace -- ",
    ),
    ("record", "fault-trace record -o full.ftrace -- "),
];

/// What the guest does: the workload in every mode, each a step.
pub(super) fn script() -> String {
    let mut script = super::guest::STEP.to_owned();
    for (mode, tracer) in MODES {
        if mode == "floor" {
            script += "floor &\nfloor=$!\nbusybox sleep 2\n";
        }
        script += &format!("step '{mode}' {tracer}{WORKLOAD}\n");
        if mode == "floor" {
            script += "kill $floor\n";
        }
    }
    script
}

/// Instructions that each mode adds to a fault, by mode; of `untraced` all that a fault takes.
pub(super) fn added(steps: &[Step]) -> Result<BTreeMap<String, f64>> {
    let mut added = BTreeMap::new();
    for (mode, _) in MODES {
        let step = steps.iter().find(|step| step.name == mode);
        let step = step.with_context(|| format!("the guest did not come to `{mode}`"))?;
        ensure!(
            step.status == Some(0),
            "`{mode}` failed:\n{}",
            step.output.trim_end()
        );
        let fault = least(&step.output).with_context(|| format!("`{mode}` measured nothing"))?;
        let untraced = added.get(UNTRACED).copied().unwrap_or(0.0);
        added.insert(mode.to_owned(), fault - untraced);
    }
    Ok(added)
}

/// The first number of the round with the smallest: interrupts and the tracer's own work only add.
fn least(output: &str) -> Option<f64> {
    let rounds = output.lines().filter_map(|line| {
        let mut numbers = line.split(' ').map(str::parse::<f64>);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(touch)), Some(Ok(_)), None) => Some(touch),
            _ => None,
        }
    });
    rounds.min_by(f64::total_cmp)
}

/// Shows what was counted next to the budget, or makes it the budget.
pub(super) fn verdict(
    root: &Path,
    release: &str,
    added: &BTreeMap<String, f64>,
    write: bool,
) -> Result<ExitCode> {
    let path = root.join(BUDGET);
    if write {
        let modes: Map<String, Value> = added
            .iter()
            .map(|(mode, instructions)| (mode.clone(), json!(instructions.round() as i64)))
            .collect();
        let budget = json!({ "kernel": release, "instructions_per_fault": modes });
        let text = serde_json::to_string_pretty(&budget)? + "\n";
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let budget: Value = serde_json::from_str(&text)?;
    let of = &budget["instructions_per_fault"];
    println!("| mode | instructions a fault | budget |\n|---|---|---|");
    for (mode, _) in MODES {
        let plus = if mode == UNTRACED { "" } else { "+" };
        println!("| {mode} | {plus}{:.0} | {plus}{} |", added[mode], of[mode]);
    }
    let above = above(added, of)?;
    for line in &above {
        say(line);
    }
    Ok(if above.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The modes that cost more than they may; what the kernel itself takes is no concern of the budget.
fn above(added: &BTreeMap<String, f64>, budget: &Value) -> Result<Vec<String>> {
    let mut above = Vec::new();
    for (mode, &instructions) in added.iter().filter(|(mode, _)| *mode != UNTRACED) {
        let most = budget[mode]
            .as_f64()
            .with_context(|| format!("no budget for `{mode}`: write one with --write"))?;
        if instructions > most + TOLERANCE.max(most * TOLERANCE_PERCENT / 100.0) {
            above.push(format!(
                "`{mode}` adds {instructions:.0} instructions a fault; its budget is {most}"
            ));
        }
    }
    Ok(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(mode: &str, output: &str) -> Step {
        Step {
            name: mode.to_owned(),
            output: output.to_owned(),
            status: Some(0),
        }
    }

    #[test]
    fn a_mode_costs_what_its_best_round_adds_to_the_untraced_one() {
        let mut steps: Vec<Step> = MODES
            .iter()
            .map(|(mode, _)| step(mode, "2500.5 80.0\n2400.0 90.0\nnote of 2 words\n"))
            .collect();
        steps[0] = step(UNTRACED, "2000.0 70.0\n1900.0 71.0\n");
        let added = added(&steps).expect("counted");
        assert!((added[UNTRACED] - 1900.0).abs() < 0.01);
        assert!((added["record"] - 500.0).abs() < 0.01);
        steps[3].status = Some(1);
        assert!(super::added(&steps).is_err());
    }

    #[test]
    fn a_budget_is_kept_within_a_few_percent() {
        let added = |record: f64| {
            BTreeMap::from([(UNTRACED.to_owned(), 9e9), ("record".to_owned(), record)])
        };
        let budget = json!({ "record": 2000 });
        assert!(above(&added(2059.0), &budget).expect("a budget").is_empty());
        let above_it = above(&added(2061.0), &budget).expect("a budget");
        assert_eq!(above_it.len(), 1);
        assert!(above(&added(1.0), &json!({})).is_err());
    }

    #[test]
    fn every_mode_is_a_step() {
        let script = script();
        for (mode, _) in MODES {
            assert!(script.contains(&format!("step '{mode}' ")), "{mode}");
        }
    }
}
