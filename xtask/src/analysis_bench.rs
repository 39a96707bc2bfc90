//! Task `bench-analysis`: what reports and exports of a large recording cost, next to DuckDB on the same
//! files and to perf on as many events as it is feasible to record. All are measured in turn, round
//! after round.

mod measure;
mod modes;

use std::{fs, path::PathBuf, process, process::ExitCode};

use anyhow::{Context as _, Result};

use crate::{build, command::say, setup::Build};
use measure::Sample;
use modes::{Mode, Programs};

/// How much is measured.
struct Extent {
    /// Of the made-up recording.
    faults: u64,
    /// That perf records.
    events: u64,
    rounds: usize,
}

const FULL: Extent = Extent {
    faults: 50_000_000,
    events: 4_000_000,
    rounds: 3,
};
const QUICK: Extent = Extent {
    faults: 5_000_000,
    events: 500_000,
    rounds: 1,
};

pub(crate) fn task(is_quick: bool) -> Result<ExitCode> {
    let extent = if is_quick { QUICK } else { FULL };
    let build = Build::prepare()?;
    let programs = Programs {
        fault_trace: build::binary(&build, build::SHIPPED)?,
        synthetic: build::lab(&build, "synthetic")?,
        touch: build::lab(&build, "touch")?,
    };
    let scratch = Scratch::new()?;
    let (modes, skipped) = modes::prepare(&programs, &extent, &scratch.0)?;
    let mut samples: Vec<Vec<Sample>> = modes.iter().map(|_| Vec::new()).collect();
    for round in 0..extent.rounds {
        say(&format!("round {} of {} ...", round + 1, extent.rounds));
        for (mode, samples) in modes.iter().zip(&mut samples) {
            let sample = measure::run(&mode.line)
                .with_context(|| format!("cannot measure `{}`", mode.name))?;
            samples.push(sample);
        }
    }
    print(&modes, &samples, &skipped);
    Ok(ExitCode::SUCCESS)
}

/// A folder that goes away in the end: a recording of 50 million faults takes a GB.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("fault-trace-analysis-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left lies where temporary files lie.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn print(modes: &[Mode], samples: &[Vec<Sample>], skipped: &[String]) {
    println!(
        "{:<34} {:>10} {:>12} {:>12} {:>14} {:>10}",
        "", "faults", "CPU s/M", "wall s/M", "M faults/s/CPU", "peak MB"
    );
    for (mode, samples) in modes.iter().zip(samples) {
        let median = |value: fn(&Sample) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let millions = mode.faults as f64 / 1e6;
        let cpu_s = median(|sample| sample.cpu_s);
        println!(
            "{:<34} {:>10} {:>12.3} {:>12.3} {:>14.2} {:>10.0}",
            mode.name,
            mode.faults,
            cpu_s / millions,
            median(|sample| sample.wall_s) / millions,
            millions / cpu_s,
            median(|sample| sample.peak_bytes as f64) / 1e6,
        );
    }
    for reason in skipped {
        println!("skipped: {reason}");
    }
}
