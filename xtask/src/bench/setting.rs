//! Where and how much is measured.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result, bail};

/// The programs that are built for it.
pub(super) struct Programs {
    pub(super) fault_trace: PathBuf,
    pub(super) touch: PathBuf,
    pub(super) floor: PathBuf,
}

/// What the workload does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Load {
    OneThread,
    /// One on each CPU, the tracer's included.
    Threads(usize),
    /// Pages that are there already, and system calls.
    Idle,
}

pub(super) struct Setting {
    /// The workload's CPU.
    pub(super) cpu: u32,
    /// The tracer's CPUs.
    pub(super) other_cpus: String,
    pub(super) cpus: usize,
    /// Fresh pages a round of the workload.
    pub(super) pages: u64,
    /// Rounds of the workload each time it runs; their lower quartile counts.
    pub(super) inner_rounds: u64,
    /// How often every mode is measured.
    pub(super) rounds: usize,
    /// For what tracers write.
    pub(super) scratch: PathBuf,
}

impl Setting {
    pub(super) fn new(quick: bool) -> Result<Self> {
        let status =
            fs::read_to_string("/proc/self/status").context("cannot read my own status")?;
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
            .and_then(cpu_list)
            .context("cannot tell which CPUs I may use (/proc/self/status)")?;
        let [cpu, others @ ..] = &allowed[..] else {
            bail!("no CPU is allowed");
        };
        if others.is_empty() {
            bail!("a benchmark needs two CPUs: one for the workload, one for the tracer");
        }
        let scratch = env::temp_dir().join(format!("fault-trace-bench-{}", process::id()));
        fs::create_dir(&scratch).with_context(|| format!("cannot create {}", scratch.display()))?;
        let others: Vec<String> = others.iter().map(u32::to_string).collect();
        Ok(Self {
            cpu: *cpu,
            cpus: allowed.len(),
            other_cpus: others.join(","),
            // 2 MiB: beyond the caches, other work on the machine is all that would be measured.
            pages: 512,
            inner_rounds: if quick { 150 } else { 600 },
            rounds: if quick { 3 } else { 9 },
            scratch,
        })
    }

    pub(super) fn recording(&self) -> PathBuf {
        self.scratch.join("run.ftrace")
    }

    /// The faults that the workload takes at least.
    pub(super) fn faults(&self, load: Load) -> u64 {
        match load {
            Load::OneThread => self.pages * self.inner_rounds,
            Load::Threads(threads) => self.pages * self.inner_rounds * threads as u64,
            Load::Idle => self.pages,
        }
    }

    /// The workload's command line.
    pub(super) fn workload(&self, touch: &Path, load: Load) -> Vec<String> {
        let mut line = match load {
            Load::Threads(_) => Vec::new(),
            Load::OneThread | Load::Idle => pinned(&self.cpu.to_string()),
        };
        line.push(touch.to_string_lossy().into_owned());
        line.extend([self.pages.to_string(), self.inner_rounds.to_string()]);
        match load {
            Load::OneThread => {}
            Load::Threads(threads) => line.push(threads.to_string()),
            Load::Idle => line.push("idle".to_owned()),
        }
        line
    }

    /// A tracer's command line, off the workload's CPU. The workload may run everywhere when it has
    /// several threads, so then the tracer may, too.
    pub(super) fn tracer(&self, tracer: &[String], load: Load) -> Vec<String> {
        let mut line = match load {
            Load::Threads(_) => Vec::new(),
            Load::OneThread | Load::Idle => pinned(&self.other_cpus),
        };
        line.extend_from_slice(tracer);
        line
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        // It is in the folder for temporary files anyway.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

fn pinned(cpus: &str) -> Vec<String> {
    ["taskset", "-c", cpus].map(str::to_owned).into()
}

/// `0-2,5` as the kernel writes it.
fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_of_cpus_is_read() {
        assert_eq!(cpu_list("\t0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(cpu_list("3"), Some(vec![3]));
        assert_eq!(cpu_list(""), None);
        assert_eq!(cpu_list("0-x"), None);
    }
}
