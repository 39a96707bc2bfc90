//! Running a tracer, and what it cost itself.

use std::{
    fs::{self, File},
    mem,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::command;

/// For so long nothing more was attached: the tracer is ready.
const SETTLED: Duration = Duration::from_millis(400);
/// Then it will never be.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Tracer {
    child: Child,
    line: String,
    out: std::path::PathBuf,
    /// When it was started, ns of CLOCK_MONOTONIC.
    pub(super) started_ns: u64,
}

/// What a tracer that ended has left.
pub(super) struct Ended {
    pub(super) stdout: String,
    pub(super) status: ExitStatus,
    /// CPU time of the process and of the children that it waited for, ns.
    pub(super) cpu_ns: u64,
}

impl Tracer {
    /// Its output goes to files in `scratch`: a pipe could fill up.
    pub(super) fn start(line: &[String], scratch: &Path) -> Result<Self> {
        let [program, arguments @ ..] = line else {
            bail!("an empty command line");
        };
        let out = scratch.join("stdout");
        let create = |path: &Path| {
            File::create(path).with_context(|| format!("cannot create {}", path.display()))
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(create(&out)?)
            .stderr(create(&out.with_extension("err"))?);
        let started_ns = monotonic_ns();
        let line = command::line(&command);
        let child = command
            .spawn()
            .with_context(|| format!("cannot run `{line}`"))?;
        Ok(Self {
            child,
            line,
            out,
            started_ns,
        })
    }

    /// Waits until it has attached all it wants; the CPU time that took, where the kernel tells.
    pub(super) fn wait_until_ready(&mut self) -> Result<Option<u64>> {
        let began = Instant::now();
        let (mut attached, mut since) = (0, began);
        while attached == 0 || since.elapsed() < SETTLED {
            if self.child.try_wait()?.is_some() {
                bail!("`{}` ended early\n{}", self.line, self.errors());
            }
            if began.elapsed() > PATIENCE {
                bail!("`{}` attaches nothing\n{}", self.line, self.errors());
            }
            thread::sleep(Duration::from_millis(20));
            let now = self.attached();
            if now != attached {
                (attached, since) = (now, Instant::now());
            }
        }
        Ok(self.cpu_so_far_ns())
    }

    /// Interrupts it, as Ctrl-C does.
    pub(super) fn stop(mut self) -> Result<Ended> {
        if self.child.try_wait()?.is_some() {
            bail!("`{}` ended early\n{}", self.line, self.errors());
        }
        // SAFETY: our child, not waited for yet: the id is still its own.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGINT) };
        let ended = self.wait()?;
        // A program that does nothing about it is killed by it, as was wanted.
        if !ended.status.success() && ended.status.signal() != Some(libc::SIGINT) {
            bail!("the tracer failed ({})", ended.status);
        }
        Ok(ended)
    }

    /// Waits for its end; an unsuccessful one is an error.
    pub(super) fn finish(self) -> Result<Ended> {
        let (line, out) = (self.line.clone(), self.out.clone());
        let ended = self.wait()?;
        if !ended.status.success() {
            let errors = fs::read_to_string(out.with_extension("err")).unwrap_or_default();
            bail!("`{line}` failed ({})\n{errors}", ended.status);
        }
        Ok(ended)
    }

    fn wait(mut self) -> Result<Ended> {
        let before = children_cpu_ns();
        let status = self.child.wait()?;
        let stdout = fs::read_to_string(&self.out)
            .with_context(|| format!("cannot read {}", self.out.display()))?;
        Ok(Ended {
            stdout,
            status,
            cpu_ns: children_cpu_ns().saturating_sub(before),
        })
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.out.with_extension("err")).unwrap_or_default()
    }

    /// How many perf events and BPF links it holds.
    fn attached(&self) -> usize {
        let Ok(fds) = fs::read_dir(format!("/proc/{}/fd", self.child.id())) else {
            return 0;
        };
        fds.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok())
            .filter(|file| {
                let file = file.to_string_lossy();
                file.contains("perf_event") || file.contains("bpf_link")
            })
            .count()
    }

    /// The first number of each thread's schedstat is its time on a CPU, ns.
    fn cpu_so_far_ns(&self) -> Option<u64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        threads
            .map(|thread| {
                let schedstat = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
                schedstat.split_whitespace().next()?.parse::<u64>().ok()
            })
            .sum()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Only one that something went wrong with is still there; it must not outlive us.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of all children waited for so far, ns.
fn children_cpu_ns() -> u64 {
    // SAFETY: numbers alone: all zeroes are a value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: a place for the answer.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) } != 0 {
        return 0;
    }
    let ns = |time: libc::timeval| {
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_usec.cast_unsigned() * 1_000
    };
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

fn monotonic_ns() -> u64 {
    // SAFETY: numbers alone: all zeroes are a value.
    let mut now: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: a place for the answer; the clock exists everywhere.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
