//! Cgroups for the tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{known::Known, skip};

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
