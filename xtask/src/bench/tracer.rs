//! Running a tracer, and what it cost itself.

use std::{
    fs::{self, File},
    io, mem,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::command;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// For so long nothing more was attached: the tracer is ready.
const SETTLED: Duration = Duration::from_millis(400);
/// Then it will never be.
const PATIENCE: Duration = Duration::from_secs(30);

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
        // SAFETY: our child, not waited for yet: the id is still its own.
        unsafe { libc::kill(self.child.id().cast_signed(), libc::SIGINT) };
        let line = self.line.clone();
        let (ended, status) = self.wait()?;
        // A program that does nothing about it is killed by it, as was wanted.
        if !status.success() && status.signal() != Some(libc::SIGINT) {
            bail!("`{line}` failed ({status})\n{}", ended.stderr);
        }
        Ok(ended)
    }

    /// Waits for its end; an unsuccessful one is an error.
    pub(super) fn finish(self) -> Result<Ended> {
        let line = self.line.clone();
        let (ended, status) = self.wait()?;
        if !status.success() {
            bail!("`{line}` failed ({status})\n{}", ended.stderr);
        }
        Ok(ended)
    }

    fn wait(mut self) -> Result<(Ended, ExitStatus)> {
        let mut status = 0;
        // SAFETY: numbers alone: all zeroes are a value.
        let mut usage: libc::rusage = unsafe { mem::zeroed() };
        let pid = self.child.id().cast_signed();
        // SAFETY: places for the answers; nobody else waits for this child.
        while unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error).with_context(|| format!("cannot wait for `{}`", self.line));
            }
        }
        self.is_reaped = true;
        let ended = Ended {
            stdout: fs::read_to_string(&self.out)
                .with_context(|| format!("cannot read {}", self.out.display()))?,
            stderr: self.errors(),
            cpu_ns: ns(usage.ru_utime) + ns(usage.ru_stime),
            peak_bytes: usage.ru_maxrss.cast_unsigned() * 1024,
        };
        Ok((ended, ExitStatus::from_raw(status)))
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

impl Drop for Tracer {
    fn drop(&mut self) {
        // Only one that something went wrong with is still there; it must not outlive us.
        if !self.is_reaped {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn ns(time: libc::timeval) -> u64 {
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_usec.cast_unsigned() * 1_000
}

fn monotonic_ns() -> u64 {
    // SAFETY: numbers alone: all zeroes are a value.
    let mut now: libc::timespec = unsafe { mem::zeroed() };
    // SAFETY: a place for the answer; the clock exists everywhere.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
