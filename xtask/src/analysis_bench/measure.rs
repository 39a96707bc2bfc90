//! One program, from its start to its end.

use std::{
    io,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

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
    let (status, usage) = wait(child.id())?;
    let wall_s = started.elapsed().as_secs_f64();
    if status != 0 {
        bail!("`{}` failed (wait status {status})", line.join(" "));
    }
    Ok(Sample {
        cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        wall_s,
        // Linux counts it in KiB.
        peak_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    })
}

/// The status and the resources of a child, which must not have been waited for.
fn wait(pid: u32) -> Result<(i32, libc::rusage)> {
    let pid = libc::pid_t::try_from(pid).context("no such pid")?;
    let mut status = 0;
    // SAFETY: zeroes are a valid rusage.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both are valid for writes.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if waited == pid {
            return Ok((status, usage));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error).context("cannot wait for a program");
        }
    }
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
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
