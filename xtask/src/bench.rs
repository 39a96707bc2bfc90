//! Task `bench`: what tracing costs, next to the least that it can cost and to other tracers. All are
//! measured in turn, round after round, so that what changes meanwhile changes for all.

mod measure;
mod modes;
mod report;
mod setting;
mod statistics;
mod tracer;

use std::{ffi::OsString, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::{artifact, build, command::say, help, setup::Build, sudo, workspace::MAIN_PACKAGE};
use measure::Sample;
use modes::{Mode, Skipped};
use setting::{Load, Programs, Setting};

/// A slow mode is measured once in so many rounds.
const SLOW_EVERY: usize = 3;

/// Everything that was measured.
struct Results {
    modes: Vec<Mode>,
    skipped: Vec<Skipped>,
    loads: Vec<LoadResults>,
    /// `/proc/loadavg` before and after.
    load_average: [String; 2],
}

struct LoadResults {
    load: Load,
    /// Rounds, then modes in the order of [`Results::modes`]; `None` where it was not measured.
    rounds: Vec<Vec<Option<Sample>>>,
}

pub(crate) fn task(args: &[OsString]) -> Result<ExitCode> {
    let (quick, json) = parse(args)?;
    if !sudo::is_root() {
        bail!("tracing needs root: run `cargo xtask bench` as root");
    }
    let build = Build::prepare()?;
    let programs = Programs {
        fault_trace: build::binary(&build, "release")?,
        touch: example(&build, "touch")?,
        floor: example(&build, "floor")?,
    };
    let setting = Setting::new(quick)?;
    let results = run(&programs, &setting)?;
    if json {
        println!("{:#}", report::json(&results, &programs, &setting));
    } else {
        print!("{}", report::text(&results, &programs, &setting));
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(args: &[OsString]) -> Result<(bool, bool)> {
    let (mut quick, mut json) = (false, false);
    for arg in args {
        match arg.to_str() {
            Some("--quick") => quick = true,
            Some("--json") => json = true,
            _ => return Err(help::unexpected(arg)),
        }
    }
    Ok((quick, json))
}

fn example(build: &Build, name: &str) -> Result<PathBuf> {
    let mut cargo = build.cargo("build");
    cargo.args(["--locked", "--release", "--package", MAIN_PACKAGE]);
    cargo.args(["--example", name]);
    Ok(artifact::build(&mut cargo, "example", name)?.path)
}

fn run(programs: &Programs, setting: &Setting) -> Result<Results> {
    let (modes, skipped) = modes::modes(programs, setting);
    let before = load_average();
    let mut loads = Vec::new();
    for load in [Load::OneThread, Load::Threads(setting.cpus), Load::Idle] {
        let mut rounds = Vec::new();
        for round in 0..setting.rounds {
            say(&format!(
                "{}, round {} of {} ...",
                report::heading(load),
                round + 1,
                setting.rounds
            ));
            rounds.push(measure_round(&modes, load, round, programs, setting)?);
        }
        loads.push(LoadResults { load, rounds });
    }
    Ok(Results {
        modes,
        skipped,
        loads,
        load_average: [before, load_average()],
    })
}

fn measure_round(
    modes: &[Mode],
    load: Load,
    round: usize,
    programs: &Programs,
    setting: &Setting,
) -> Result<Vec<Option<Sample>>> {
    let mut samples: Vec<Option<Sample>> = vec![None; modes.len()];
    // Each round starts with another mode: none is always the one after the slowest.
    for place in 0..modes.len() {
        let index = (place + round) % modes.len();
        let mode = &modes[index];
        let is_wanted = load == Load::OneThread || mode.is_central;
        if is_wanted && (!mode.is_slow || round.is_multiple_of(SLOW_EVERY)) {
            let sample = measure::sample(mode, load, programs, setting)
                .with_context(|| format!("cannot measure `{}`", mode.name))?;
            samples[index] = Some(sample);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_in_any_order_and_nothing_else_is_taken() {
        let parsed = |args: &[&str]| {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            parse(&args).ok()
        };
        assert_eq!(parsed(&[]), Some((false, false)));
        assert_eq!(parsed(&["--json", "--quick"]), Some((true, true)));
        assert_eq!(parsed(&["--fast"]), None);
    }
}
