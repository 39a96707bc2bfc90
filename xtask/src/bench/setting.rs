//! Where and how much is measured.

use std::{
    env, fs,
    num::NonZero,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result, bail};

use super::options::Options;

/// The programs that are built for it; empty paths until they are.
#[derive(Default)]
pub(super) struct Programs {
    pub(super) fault_trace: PathBuf,
    pub(super) touch: PathBuf,
    pub(super) floor: PathBuf,
}

pub(super) struct Setting {
    pub(super) programs: Programs,
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
    /// Only the central modes are measured with every workload.
    pub(super) is_quick: bool,
    /// For what tracers write.
    pub(super) scratch: PathBuf,
}

impl Setting {
    pub(super) fn new(options: &Options) -> Result<Self> {
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
        let is_quick = options.is_quick;
        Ok(Self {
            programs: Programs::default(),
            cpu: *cpu,
            cpus: allowed.len(),
            other_cpus: others.join(","),
            // 2 MiB: beyond the caches, other work on the machine is all that would be measured.
            pages: 512,
            inner_rounds: if is_quick { 150 } else { 600 },
            rounds: options
                .rounds
                .map_or(if is_quick { 3 } else { 9 }, NonZero::get),
            is_quick,
            scratch,
        })
    }

    pub(super) fn recording(&self) -> PathBuf {
        self.scratch.join("run.ftrace")
    }

    /// What a peer writes to.
    pub(super) fn output(&self) -> PathBuf {
        self.scratch.join("output")
    }

    /// No tracer's output is taken for another's.
    pub(super) fn clear(&self) {
        // It need not be there.
        let _ = fs::remove_file(self.output());
        let _ = fs::remove_dir_all(self.recording());
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        // It is in the folder for temporary files anyway.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// Bytes of a file, or of all files below a folder.
pub(super) fn size_bytes(path: &Path) -> Result<u64> {
    let context = || format!("cannot look at {}", path.display());
    let metadata = fs::metadata(path).with_context(context)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let entries = fs::read_dir(path).with_context(context)?;
    entries.map(|entry| size_bytes(&entry?.path())).sum()
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
pub(super) mod tests {
    use super::*;

    /// One that measures nothing; its scratch folder does not exist.
    pub(in crate::bench) fn setting() -> Setting {
        Setting {
            programs: Programs {
                fault_trace: "fault-trace".into(),
                touch: "touch".into(),
                floor: "floor".into(),
            },
            cpu: 0,
            other_cpus: "1".to_owned(),
            cpus: 2,
            pages: 512,
            inner_rounds: 150,
            rounds: 3,
            is_quick: true,
            scratch: "/nonexistent/bench".into(),
        }
    }

    #[test]
    fn the_kernels_list_of_cpus_is_read() {
        assert_eq!(cpu_list("\t0-2,5\n"), Some(vec![0, 1, 2, 5]));
        assert_eq!(cpu_list("3"), Some(vec![3]));
        assert_eq!(cpu_list(""), None);
        assert_eq!(cpu_list("0-x"), None);
    }
}
