//! Running a tracer, and what it cost itself.

use std::{
    fs::{self, File},
    mem,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{command, usage};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// For so long nothing more was attached: the tracer is ready.
const SETTLED: Duration = Duration::from_millis(400);
/// Then it will never be.
const PATIENCE: Duration = Duration::from_secs(30);
/// No run takes as long as this after it was told to end, or launched its workload.
const DEADLINE: Duration = Duration::from_secs(300);
/// A tracer that has done next to nothing for so long has not heard the interrupt: bpftrace loses one
/// now and then.
const DEAF: Duration = Duration::from_secs(3);
const NEXT_TO_NOTHING_NS: u64 = 10_000_000;

pub(super) struct Tracer {
    child: Child,
    is_reaped: bool,
    line: String,
    out: PathBuf,
    /// When it was started, ns of CLOCK_MONOTONIC.
    pub(super) started_ns: u64,
}

/// What a tracer that ended has left.
pub(super) struct Ended {
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// CPU time of the process and of the children that it waited for, ns.
    pub(super) cpu_ns: u64,
    /// When it was looked at after it was told to end, or while its workload ran, ns of
    /// CLOCK_MONOTONIC; and the CPU time of its own threads so far, ns.
    pub(super) looks: Vec<(u64, u64)>,
    /// The most memory that the process or one of these children had, bytes.
    pub(super) peak_bytes: u64,
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
            is_reaped: false,
            line,
            out,
            started_ns,
        })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has attached all it wants, and says when the last was attached, in ns after the
    /// start.
    pub(super) fn wait_until_ready(&mut self) -> Result<u64> {
        let began = Instant::now();
        let (mut attached, mut since, mut since_ns) = (0, began, 0);
        while attached == 0 || since.elapsed() < SETTLED {
            if self.child.try_wait()?.is_some() {
                self.is_reaped = true;
                bail!("`{}` ended early\n{}", self.line, self.errors());
            }
            if began.elapsed() > PATIENCE {
                bail!("`{}` attaches nothing\n{}", self.line, self.errors());
            }
            thread::sleep(LOOK);
            let now = self.attached();
            if now != attached {
                (attached, since) = (now, Instant::now());
                since_ns = monotonic_ns() - self.started_ns;
            }
        }
        Ok(since_ns)
    }

    /// Interrupts it, as Ctrl-C does.
    pub(super) fn stop(mut self) -> Result<Ended> {
        if self.child.try_wait()?.is_some() {
            self.is_reaped = true;
            bail!("`{}` ended early\n{}", self.line, self.errors());
        }
        self.interrupt();
        let line = self.line.clone();
        let (ended, status) = self.wait(true)?;
        // A program that does nothing about it is killed by it, as was wanted.
        if !status.success() && status.signal() != Some(libc::SIGINT) {
            bail!("`{line}` failed ({status})\n{}", ended.stderr);
        }
        Ok(ended)
    }

    /// Waits for its end; an unsuccessful one is an error.
    pub(super) fn finish(self) -> Result<Ended> {
        let line = self.line.clone();
        let (ended, status) = self.wait(false)?;
        if !status.success() {
            bail!("`{line}` failed ({status})\n{}", ended.stderr);
        }
        Ok(ended)
    }

    fn interrupt(&self) {
        // SAFETY: our child, not waited for yet: the id is still its own.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGINT) };
    }

    fn wait(mut self, is_interrupted: bool) -> Result<(Ended, ExitStatus)> {
        let began = Instant::now();
        let (mut looked, mut cpu_ns) = (began, self.cpu_so_far_ns());
        let mut looks = Vec::new();
        let (status, usage) = loop {
            let reaped = usage::wait_now(self.child.id());
            let reaped = reaped.with_context(|| format!("cannot wait for `{}`", self.line))?;
            if let Some(reaped) = reaped {
                break reaped;
            }
            if began.elapsed() > DEADLINE {
                bail!("`{}` does not end\n{}", self.line, self.errors());
            }
            let now_ns = self.cpu_so_far_ns();
            looks.push((monotonic_ns(), now_ns));
            if is_interrupted && looked.elapsed() > DEAF {
                if now_ns.saturating_sub(cpu_ns) < NEXT_TO_NOTHING_NS {
                    self.interrupt();
                }
                (looked, cpu_ns) = (Instant::now(), now_ns);
            }
            thread::sleep(LOOK);
        };
        self.is_reaped = true;
        let ended = Ended {
            stdout: fs::read_to_string(&self.out)
                .with_context(|| format!("cannot read {}", self.out.display()))?,
            stderr: self.errors(),
            cpu_ns: usage.cpu_ns,
            looks,
            peak_bytes: usage.peak_bytes,
        };
        Ok((ended, status))
    }

    /// The first number of each thread's schedstat is its time on a CPU, ns; none without threads.
    pub(super) fn cpu_so_far_ns(&self) -> u64 {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.child.id())) else {
            return 0;
        };
        threads
            .filter_map(|thread| {
                let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
                text.split(' ').next()?.parse::<u64>().ok()
            })
            .sum()
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
}

impl Ended {
    /// The CPU time of the tracer's own threads up to a moment, ns: of the last look before.
    pub(super) fn cpu_until_ns(&self, moment_ns: u64) -> u64 {
        let before = self.looks.iter().take_while(|look| look.0 <= moment_ns);
        before.last().map_or(0, |look| look.1)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // Only one that something went wrong with is still there; it must not outlive us.
        if !self.is_reaped {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn monotonic_ns() -> u64 {
    // SAFETY: numbers alone: all zeroes are a value.
    let mut now: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: a place for the answer; the clock exists everywhere.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
