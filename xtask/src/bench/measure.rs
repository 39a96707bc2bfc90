//! The workload once, under one tracer.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{
    modes::{Leaves, Mode, OTHER, Shape},
    outcome::{self, Cost, Seen},
    setting::{Setting, size_bytes},
    tracer::{Ended, Tracer},
    workload::Workload,
};
use crate::command;

/// What one run of the workload under a tracer showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) cost: Cost,
    /// The same parts of the workload untraced: the mean of a run just before and one just after, so
    /// that what else the machine does weighs on both alike.
    pub(super) untraced_ns: Vec<f64>,
    /// `None` where nothing traced.
    pub(super) tool: Option<Tool>,
}

/// What the tracer took for itself.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    /// Without the workload: until that began, and from then to its own end, ns.
    pub(super) start_cpu_ns: u64,
    pub(super) cpu_ns: u64,
    pub(super) peak_bytes: u64,
    /// From its start to when faults count, ns: to the first instruction of the workload that it
    /// launches, or to when its last perf event or BPF link was made.
    pub(super) until_start_ns: u64,
    pub(super) seen: Option<Seen>,
    pub(super) disk_bytes: Option<u64>,
}

/// The workload once without a tracer.
pub(super) fn untraced(load: Workload, setting: &Setting) -> Result<Cost> {
    cost(&run(&load.line(setting))?).context("cannot measure the workload untraced")
}

pub(super) fn sample(mode: &Mode, load: Workload, setting: &Setting) -> Result<Sample> {
    let workload = load.line(setting);
    setting.clear();
    match mode.shape {
        Shape::Alone => Ok(Sample {
            cost: untraced(load, setting)?,
            ..Sample::default()
        }),
        Shape::Launches => {
            let mut line = load.tracer(&mode.tracer, setting);
            line.push("--".to_owned());
            line.extend(workload);
            let tracer = Tracer::start(&line, &setting.scratch)?;
            let started_ns = tracer.started_ns;
            let mut ended = tracer.finish()?;
            let cost = cost(&ended.stdout)?;
            ended.cpu_ns = ended.cpu_ns.saturating_sub(cost.cpu_ns);
            let until_start_ns = cost.started_ns.saturating_sub(started_ns);
            let start_cpu_ns = ended.cpu_until_ns(cost.started_ns);
            let tool = tool(mode, setting, &ended, until_start_ns, start_cpu_ns)?;
            Ok(Sample {
                cost,
                tool: Some(tool),
                ..Sample::default()
            })
        }
        Shape::Beside => {
            let other = Other::start()?;
            let line = load.tracer(&other.named_in(&mode.tracer), setting);
            let mut tracer = Tracer::start(&line, &setting.scratch)?;
            let until_start_ns = tracer.wait_until_ready()?;
            let start_cpu_ns = tracer.cpu_so_far_ns();
            let cost = cost(&run(&workload)?)?;
            let tool = tool(mode, setting, &tracer.stop()?, until_start_ns, start_cpu_ns)?;
            Ok(Sample {
                cost,
                tool: Some(tool),
                ..Sample::default()
            })
        }
    }
}

/// A process that does nothing, for tracers to look at.
struct Other(Child);

impl Other {
    fn start() -> Result<Self> {
        let child = Command::new("sleep").arg("3600").spawn();
        Ok(Self(child.context("cannot run `sleep`")?))
    }

    fn named_in(&self, line: &[String]) -> Vec<String> {
        let named = |word: &String| match &**word {
            OTHER => self.0.id().to_string(),
            _ => word.clone(),
        };
        line.iter().map(named).collect()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It cannot have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn run(line: &[String]) -> Result<String> {
    let [program, arguments @ ..] = line else {
        bail!("an empty command line");
    };
    command::stdout(
        Command::new(program)
            .args(arguments)
            .stderr(Stdio::inherit()),
    )
}

pub(super) fn cost(output: &str) -> Result<Cost> {
    outcome::workload(output).with_context(|| format!("the workload printed no numbers:\n{output}"))
}

fn tool(
    mode: &Mode,
    setting: &Setting,
    ended: &Ended,
    until_start_ns: u64,
    start_cpu_ns: u64,
) -> Result<Tool> {
    let seen = seen(mode.leaves, setting, ended)
        .with_context(|| format!("cannot tell what `{}` saw", mode.name))?;
    let disk = match mode.leaves {
        Leaves::Recording => Some(setting.recording()),
        Leaves::PerfData | Leaves::PerfTrace => Some(setting.output()),
        Leaves::Nothing | Leaves::Report | Leaves::PerfCounts | Leaves::Bpftrace => None,
    };
    Ok(Tool {
        start_cpu_ns,
        cpu_ns: ended.cpu_ns.saturating_sub(start_cpu_ns),
        peak_bytes: ended.peak_bytes,
        until_start_ns,
        seen,
        disk_bytes: disk.map(|path| size_bytes(&path)).transpose()?,
    })
}

fn seen(leaves: Leaves, setting: &Setting, ended: &Ended) -> Result<Option<Seen>> {
    let output = || fs::read_to_string(setting.output()).context("it left no output");
    let seen = match leaves {
        Leaves::Nothing => return Ok(None),
        Leaves::Report => outcome::report(&output()?),
        Leaves::Recording => {
            let manifest = setting.recording().join("recording.json");
            outcome::recording(&fs::read_to_string(manifest).context("it left no recording")?)
        }
        Leaves::PerfCounts => outcome::perf_counts(&output()?),
        Leaves::PerfData => {
            let mut report = Command::new("perf");
            report.args(["report", "--stats", "-i"]);
            outcome::perf_data(&command::stdout(report.arg(setting.output()))?)
        }
        Leaves::PerfTrace => Some(outcome::perf_trace(&output()?)),
        Leaves::Bpftrace => Some(outcome::bpftrace(&ended.stdout, &ended.stderr)),
    };
    Ok(Some(
        seen.context("it is not in the form that was expected")?,
    ))
}
