//! A memory cgroup with a limit, of either version, for one scenario.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    restore::Restore,
    scenario::{require, skip},
};

pub(crate) struct MemoryCgroup {
    path: PathBuf,
    _removal: Restore,
}

impl MemoryCgroup {
    /// Processes in it get `limit_bytes`, and no swap.
    pub(crate) fn new(limit_bytes: usize) -> anyhow::Result<Self> {
        let (parent, limit, no_swap) = hierarchy()?;
        let path = parent.join(format!("workloads-{}", std::process::id()));
        if let Err(error) = fs::create_dir(&path) {
            return skip(format!("cannot make {}: {error}", path.display()));
        }
        let removal = Restore::with({
            let path = path.clone();
            move || remove(&path)
        })?;
        require(
            path.join(limit).exists(),
            "the memory controller is not enabled for the cgroup",
        )?;
        fs::write(path.join(limit), limit_bytes.to_string()).context("memory limit")?;
        // Absent where there is no swap to account for.
        let _ = fs::write(path.join(no_swap), "0");
        Ok(Self {
            path,
            _removal: removal,
        })
    }

    /// The file that takes a process in.
    pub(crate) fn processes(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }
}

/// Ends what is left in the cgroup, and removes it.
fn remove(path: &Path) {
    const ATTEMPTS: usize = 200;
    for _ in 0..ATTEMPTS {
        if fs::remove_dir(path).is_ok() {
            return;
        }
        let processes = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(10));
    }
    eprintln!("workloads: cannot remove {}", path.display());
}

/// Where to make the cgroup, and its files for the limit and against swap.
fn hierarchy() -> anyhow::Result<(PathBuf, &'static str, &'static str)> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let find = |kind: &str, option: &str| {
        mounts.lines().find_map(|line| {
            let fields: Vec<_> = line.split(' ').collect();
            let found = fields.get(2) == Some(&kind)
                && fields.get(3)?.split(',').any(|given| given == option);
            found.then(|| Path::new(fields[1]).to_path_buf())
        })
    };
    if let Some(path) = find("cgroup", "memory") {
        return Ok((path, "memory.limit_in_bytes", "memory.swappiness"));
    }
    match find("cgroup2", "rw") {
        Some(path) => Ok((path, "memory.max", "memory.swap.max")),
        None => skip("no memory cgroup is mounted"),
    }
}
