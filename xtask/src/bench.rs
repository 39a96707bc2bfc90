//! Task `bench`: what tracing costs, next to the least that it can cost and to other tracers. All are
//! measured in turn, round after round, so that what changes meanwhile changes for all.

mod command_line;
mod endurance;
mod measure;
mod modes;
mod options;
mod outcome;
mod page;
mod report;
mod setting;
mod statistics;
mod summary;
mod targets;
mod tracer;
mod workload;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{build, command::say, setup::Build, sudo};
use measure::Sample;
use modes::{Mode, Skipped};
pub(crate) use options::Options;
use options::Sink;
use page::Part;
use setting::{Programs, Setting};
use workload::Workload;

/// Everything that was measured.
struct Results {
    modes: Vec<Mode>,
    skipped: Vec<Skipped>,
    failures: Vec<Failure>,
    loads: Vec<LoadResults>,
    /// `/proc/loadavg` before and after.
    load_average: [String; 2],
}

struct LoadResults {
    load: Workload,
    /// Rounds, then modes in the order of [`Results::modes`]; `None` where it was not measured.
    rounds: Vec<Vec<Option<Sample>>>,
}

/// A mode that could not be measured with a workload, from this round on.
struct Failure {
    mode: &'static str,
    load: Workload,
    message: String,
}

impl Results {
    fn load(&self, load: Workload) -> Option<&LoadResults> {
        self.loads.iter().find(|results| results.load == load)
    }
}

impl LoadResults {
    fn samples(&self, mode: usize) -> impl Iterator<Item = &Sample> {
        let rounds = self.rounds.iter();
        rounds.filter_map(move |round| round.get(mode)?.as_ref())
    }
}

pub(crate) fn task(options: &Options) -> Result<ExitCode> {
    if !sudo::is_root() {
        bail!("tracing needs root: run `cargo xtask bench` as root");
    }
    let mut setting = Setting::new(options)?;
    // A wrong name is told before all is built.
    modes::modes(options, &setting)?;
    let build = Build::prepare()?;
    setting.programs = Programs {
        fault_trace: build::binary(&build, build::SHIPPED)?,
        touch: build::lab(&build, "touch")?,
        floor: build::lab(&build, "floor")?,
    };
    if let Some(seconds) = options.endurance_s {
        let endurance = endurance::run(seconds.get(), &setting)?;
        write(options, endurance.text(), &endurance.json())?;
        if options.is_written {
            page::write(
                &build.workspace.root,
                Part::Endurance,
                &endurance.markdown(),
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let results = run(options, &setting)?;
    if let Some(file) = &options.picture {
        report::picture(&results, file)?;
        say(&format!("drew {}", file.display()));
    }
    write(
        options,
        report::text(&results, &setting),
        &report::json(&results, &setting),
    )?;
    if options.is_written {
        let root = &build.workspace.root;
        page::write(root, Part::Costs, &report::markdown(&results, &setting))?;
        report::picture(&results, &root.join(page::PICTURE))?;
        say(&format!("kept in {} and {}", page::PAGE, page::PICTURE));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(options: &Options, text: String, json: &Value) -> Result<()> {
    match &options.json {
        Some(Sink::Stdout) => println!("{json:#}"),
        Some(Sink::File(file)) => {
            // First what people can read: a file that cannot be written is no reason to lose it all.
            print!("{text}");
            fs::write(file, format!("{json:#}\n"))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        None => print!("{text}"),
    }
    Ok(())
}

fn run(options: &Options, setting: &Setting) -> Result<Results> {
    let (modes, skipped) = modes::modes(options, setting)?;
    let before = load_average();
    let mut failures = Vec::new();
    let mut loads = Vec::new();
    let is_asked = |load: &Workload| {
        options.workloads.is_empty()
            || options.workloads.contains(load)
            // The CPU time and the disk space of all others are beyond those of this.
            || *load == Workload::Nothing
    };
    for load in Workload::ALL.into_iter().filter(is_asked) {
        let mut rounds = Vec::new();
        for round in 0..setting.rounds {
            let (heading, of) = (load.heading(), setting.rounds);
            say(&format!("{heading}, round {} of {of} ...", round + 1));
            rounds.push(measure_round(&modes, load, round, setting, &mut failures)?);
        }
        loads.push(LoadResults { load, rounds });
    }
    Ok(Results {
        modes,
        skipped,
        failures,
        loads,
        load_average: [before, load_average()],
    })
}

fn measure_round(
    modes: &[Mode],
    load: Workload,
    round: usize,
    setting: &Setting,
    failures: &mut Vec<Failure>,
) -> Result<Vec<Option<Sample>>> {
    let mut samples: Vec<Option<Sample>> = vec![None; modes.len()];
    let mut before = measure::untraced(load, setting)?;
    // Each round starts with another mode: none is always the one after the slowest.
    for place in 0..modes.len() {
        let index = (place + round) % modes.len();
        let mode = &modes[index];
        let has_failed = failures
            .iter()
            .any(|failure| failure.mode == mode.name && failure.load == load);
        if has_failed || !mode.is_wanted(load, round, setting) {
            continue;
        }
        let sample = measure::sample(mode, load, setting);
        let after = measure::untraced(load, setting)?;
        match sample {
            Ok(mut sample) => {
                let both = before.parts_ns.iter().zip(&after.parts_ns);
                sample.untraced_ns = both
                    .map(|(&one, &other)| f64::midpoint(one, other))
                    .collect();
                samples[index] = Some(sample);
            }
            Err(error) => {
                let message = format!("{error:#}").trim_end().to_owned();
                say(&format!(
                    "`{}` failed, and is left out: {message}",
                    mode.name
                ));
                failures.push(Failure {
                    mode: mode.name,
                    load,
                    message,
                });
            }
        }
        before = after;
    }
    Ok(samples)
}

fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
