//! Cgroups for the tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{fault_trace, known::Known, skip, wait_until};

/// A cgroup of version 2 that is removed with the test.
pub(crate) struct Cgroup(pub(crate) PathBuf);

impl Cgroup {
    /// Below where version 2 is mounted; `None`, said, where it is not.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let mount = mounts
            .into_iter()
            .find(|mount| mount.join("cgroup.controllers").exists());
        let Some(mount) = mount else {
            skip("there is no cgroup hierarchy of version 2");
            return None;
        };
        Some(Self::made(
            mount.join(format!("{name}-{}", std::process::id())),
        ))
    }

    pub(crate) fn below(&self, name: &str) -> Self {
        Self::made(self.0.join(name))
    }

    fn made(path: PathBuf) -> Self {
        fs::create_dir(&path).expect("root makes cgroups");
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("plain")
    }

    pub(crate) fn add(&self, known: &Known) {
        fs::write(self.0.join("cgroup.procs"), known.pid().to_string()).expect("root moves it");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A process that has not quite ended keeps it; it is empty and harmless.
        let _ = fs::remove_dir(&self.0);
    }
}

/// A memory cgroup of version 1 or 2 with a limit, removed in the end.
pub(crate) struct MemoryCgroup(PathBuf);

impl MemoryCgroup {
    /// `None` where none can be made.
    pub(crate) fn new(name: &str, limit_bytes: u64) -> Option<Self> {
        let name = format!("fault-trace-test-{name}-{}", std::process::id());
        let folders = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(PathBuf::from);
        for (folder, limit) in folders.iter().zip(["memory.limit_in_bytes", "memory.max"]) {
            let cgroup = folder.join(&name);
            if fs::create_dir(&cgroup).is_err() {
                continue;
            }
            let made = Self(cgroup);
            if fs::write(made.0.join(limit), limit_bytes.to_string()).is_ok() {
                return Some(made);
            }
        }
        skip("no memory cgroup can be made");
        None
    }

    /// Runs the program in it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(&self.0)
            .arg(fault_trace().get_program())
            .args(arguments)
            .env_remove("SUDO_UID")
            .env_remove("SUDO_GID");
        command.output().expect("sh starts")
    }

    /// How many processes the kernel has killed for its limit.
    pub(crate) fn kills(&self) -> u64 {
        let mut files = ["memory.oom_control", "memory.events"].map(|name| self.0.join(name));
        let text = files
            .iter_mut()
            .find_map(|file| fs::read_to_string(file).ok());
        let text = text.expect("the kernel counts them");
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.expect("since Linux 4.13").parse().expect("a number")
    }
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        // What the kernel frees later still counts for a moment.
        wait_until("the cgroup is empty", || fs::remove_dir(&self.0).is_ok());
    }
}
