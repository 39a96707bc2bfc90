//! One program, from its start to its end.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::usage;

/// What it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// User and system time.
    pub(super) cpu_s: f64,
    pub(super) wall_s: f64,
    /// The largest resident set.
    pub(super) peak_bytes: u64,
}

/// Runs a command line whose output nobody reads.
pub(super) fn run(line: &[String]) -> Result<Sample> {
    let [program, arguments @ ..] = line else {
        bail!("an empty command line");
    };
    let started = Instant::now();
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run `{program}`"))?;
    let (status, usage) = usage::wait(child.id()).context("cannot wait for a program")?;
    let wall_s = started.elapsed().as_secs_f64();
    if !status.success() {
        bail!("`{}` failed ({status})", line.join(" "));
    }
    Ok(Sample {
        cpu_s: usage.cpu_ns as f64 / 1e9,
        wall_s,
        peak_bytes: usage.peak_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Sample> {
        run(&["sh", "-c", script].map(str::to_owned))
    }

    #[test]
    fn what_a_program_took_is_told() {
        let sample = shell("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done").expect("it runs");
        assert!(sample.cpu_s > 0.0 && sample.wall_s > 0.0 && sample.peak_bytes > 0);
    }

    #[test]
    fn a_failure_is_no_measurement() {
        assert!(shell("exit 3").is_err());
        assert!(run(&[]).is_err());
    }
}
