//! The workload once, under one tracer.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    modes::{Leaves, Mode, OTHER, Shape},
    setting::{Load, Programs, Setting},
    statistics::spread,
    tracer::{Ended, Tracer},
};
use crate::command;

/// What one run of the workload under a tracer showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// ns a fault (with [`Load::Idle`]: a touch): the lower quartile of the workload's rounds, since
    /// whatever disturbs a round makes it slower.
    pub(super) touch_ns: f64,
    /// ns a page unmapped (with [`Load::Idle`]: a system call), likewise.
    pub(super) other_ns: f64,
    /// CPU time of the tracer from when it was ready to its end, ns a fault.
    pub(super) tracer_ns: Option<f64>,
    pub(super) recording: Option<Recording>,
}

/// What a recording holds.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) dropped: u64,
    pub(super) bytes_per_fault: f64,
    /// From the start of the tracer to the first moment of tracing, ns.
    pub(super) until_tracing_ns: u64,
}

pub(super) fn sample(
    mode: &Mode,
    load: Load,
    programs: &Programs,
    setting: &Setting,
) -> Result<Sample> {
    let workload = setting.workload(&programs.touch, load);
    match mode.shape {
        Shape::Alone => costs(&run(&workload)?),
        Shape::Launches => {
            let mut line = setting.tracer(&mode.tracer, load);
            line.push("--".to_owned());
            line.extend(workload);
            let tracer = Tracer::start(&line, &setting.scratch)?;
            let started_ns = tracer.started_ns;
            let ended = tracer.finish()?;
            let mut sample = costs(&ended.stdout)?;
            if mode.leaves == Leaves::Recording {
                sample.recording = Some(recording(programs, setting, load, started_ns)?.0);
            }
            Ok(sample)
        }
        Shape::Beside => beside(mode, load, programs, setting, &workload),
    }
}

fn beside(
    mode: &Mode,
    load: Load,
    programs: &Programs,
    setting: &Setting,
    workload: &[String],
) -> Result<Sample> {
    let other = Other::start()?;
    let tracer: Vec<String> = mode
        .tracer
        .iter()
        .map(|word| match &**word {
            OTHER => other.0.id().to_string(),
            _ => word.clone(),
        })
        .collect();
    let mut tracer = Tracer::start(&setting.tracer(&tracer, load), &setting.scratch)?;
    let started_ns = tracer.started_ns;
    let ready_cpu_ns = tracer.wait_until_ready()?;
    let mut sample = costs(&run(workload)?)?;
    let ended = tracer.stop()?;
    let faults = match mode.leaves {
        Leaves::Nothing => setting.faults(load),
        Leaves::Report => reported(&ended, setting, load)?,
        Leaves::Recording => {
            let (recording, faults) = recording(programs, setting, load, started_ns)?;
            sample.recording = Some(recording);
            faults
        }
    };
    sample.tracer_ns =
        ready_cpu_ns.map(|ready_ns| ended.cpu_ns.saturating_sub(ready_ns) as f64 / faults as f64);
    Ok(sample)
}

/// A process that does nothing, for tracers to look at.
struct Other(Child);

impl Other {
    fn start() -> Result<Self> {
        let child = Command::new("sleep").arg("3600").spawn();
        Ok(Self(child.context("cannot run `sleep`")?))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It cannot have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(line: &[String]) -> Result<String> {
    let [program, arguments @ ..] = line else {
        bail!("an empty command line");
    };
    command::stdout(
        Command::new(program)
            .args(arguments)
            .stderr(Stdio::inherit()),
    )
}

/// The workload's lines are those of two numbers; a tracer may have written others around them.
fn costs(output: &str) -> Result<Sample> {
    let rounds: Vec<(f64, f64)> = output
        .lines()
        .filter_map(|line| {
            let (touch, other) = line.split_once(' ')?;
            Some((touch.parse().ok()?, other.parse().ok()?))
        })
        .collect();
    let quiet = |value: fn(&(f64, f64)) -> f64| Some(spread(rounds.iter().map(value))?.lower);
    let (touch_ns, other_ns) = quiet(|round| round.0)
        .zip(quiet(|round| round.1))
        .with_context(|| format!("the workload printed no numbers:\n{output}"))?;
    Ok(Sample {
        touch_ns,
        other_ns,
        ..Sample::default()
    })
}

/// The faults that `stat` has counted; fewer than the workload took are an error.
fn reported(ended: &Ended, setting: &Setting, load: Load) -> Result<u64> {
    let report: Value = serde_json::from_str(&ended.stdout).context("the report is no JSON")?;
    complete(number(&report["accounting"], "started")?, setting, load)
}

fn complete(faults: u64, setting: &Setting, load: Load) -> Result<u64> {
    let expected = setting.faults(load);
    if faults < expected {
        bail!("only {faults} faults were seen, the workload took {expected}");
    }
    Ok(faults)
}

/// What was recorded, and how many faults.
fn recording(
    programs: &Programs,
    setting: &Setting,
    load: Load,
    started_ns: u64,
) -> Result<(Recording, u64)> {
    let path = setting.recording();
    let mut report = Command::new(&programs.fault_trace);
    report.args(["report", "--format", "json"]).arg(&path);
    let report: Value =
        serde_json::from_str(&command::stdout(&mut report)?).context("the report is no JSON")?;
    let (recorded, dropped) = (
        number(&report["accounting"], "recorded")?,
        number(&report["accounting"], "dropped")?,
    );
    complete(recorded + dropped, setting, load)?;
    let manifest = fs::read_to_string(path.join("recording.json"))
        .context("cannot read the recording's description")?;
    let manifest: Value = serde_json::from_str(&manifest).context("recording.json is no JSON")?;
    let recording = Recording {
        dropped,
        bytes_per_fault: size_bytes(&path.join("faults"))? as f64 / recorded as f64,
        until_tracing_ns: number(&manifest["run"], "started_ns")?.saturating_sub(started_ns),
    };
    Ok((recording, recorded))
}

fn number(object: &Value, key: &str) -> Result<u64> {
    object[key]
        .as_u64()
        .with_context(|| format!("no number `{key}`"))
}

fn size_bytes(dir: &Path) -> Result<u64> {
    let files = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    files
        .map(|file| Ok(file?.metadata()?.len()))
        .sum::<Result<u64>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workloads_numbers_are_found_between_a_tracers_lines() {
        let output =
            "Attaching 3 probes...\n1200.5 130.0\n1100.0 110.0\n1300.0 120.0\n\nfaults 12\n";
        let sample = costs(output).expect("there are numbers");
        assert_eq!((sample.touch_ns, sample.other_ns), (1150.25, 115.0));
    }

    #[test]
    fn a_workload_without_numbers_is_an_error() {
        assert!(costs("usage: touch\n").is_err());
    }
}
