//! Processes that compile code while they run: where the runtime lists it (`perf-PID.map`).

use std::{
    fs::File,
    io::BufReader,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use procfs::{FromBufRead as _, process::Status};

use super::behind::{directory_inside, open_owned};
use crate::{host::proc::Proc, model::code::Unresolved};

/// What is remembered of such a process, so that its list can be read when it is gone.
#[derive(Debug)]
pub(super) struct JitProcess {
    pid: u32,
    /// What it calls itself: another number inside a container.
    own_pid: Option<u32>,
    owner: Option<u32>,
    /// Its /tmp. A directory stays reachable after the process and its mounts are gone.
    tmp: Option<OwnedFd>,
    life: Life,
}

#[derive(Debug)]
enum Life {
    Running,
    /// With its list as it was then.
    Exited(Result<File, Unresolved>),
    /// Another process with code of its own had the pid later: whose an address is, is unknown.
    Reused,
}

impl JitProcess {
    /// Remembers a process that runs; one that is gone already gives little to remember.
    pub(super) fn new(proc: &Proc, pid: u32) -> Self {
        let status = File::open(proc.path(&format!("{pid}/status")))
            .ok()
            .and_then(|status| Status::from_buf_read(BufReader::new(status)).ok());
        let own_pid = status
            .as_ref()
            .and_then(|status| status.nstgid.as_ref()?.last().copied())
            .map(i32::cast_unsigned);
        let root = proc.path(&format!("{pid}/root"));
        Self {
            pid,
            own_pid,
            owner: status.map(|status| status.euid),
            tmp: directory_inside(&root, Path::new("tmp")),
            life: Life::Running,
        }
    }

    /// Code of a process with this pid was seen.
    pub(super) fn seen(&mut self) {
        if matches!(self.life, Life::Exited(_)) {
            self.life = Life::Reused;
        }
    }

    /// It exited: its list is complete, and its file may soon go.
    pub(super) fn exited(&mut self, proc: &Proc, tmp: &Path) {
        if matches!(self.life, Life::Running) {
            self.life = Life::Exited(self.open(proc, tmp));
            self.tmp = None;
        }
    }

    /// Its list of functions as of now.
    pub(super) fn perf_map(&self, proc: &Proc, tmp: &Path) -> Result<File, Unresolved> {
        match &self.life {
            Life::Running => self.open(proc, tmp),
            Life::Exited(list) => list
                .as_ref()
                .map_err(|reason| *reason)
                .and_then(|file| file.try_clone().map_err(|_| Unresolved::NoPerfMap)),
            Life::Reused => Err(Unresolved::PidReused),
        }
    }

    /// In its /tmp under its own number, else in ours under the number we know.
    fn open(&self, proc: &Proc, tmp: &Path) -> Result<File, Unresolved> {
        let name = |pid| format!("perf-{pid}.map");
        let theirs = self
            .tmp
            .as_ref()
            .zip(self.own_pid)
            .and_then(|(tmp, pid)| open_owned(proc, tmp, &name(pid)));
        let (file, owner) = theirs
            .or_else(|| {
                let directory = File::open(tmp).ok()?;
                open_owned(proc, &directory, &name(self.pid))
            })
            .ok_or(Unresolved::NoPerfMap)?;
        // Anyone may put a file of that name into /tmp.
        let trusted = owner == 0 || Some(owner) == self.owner;
        trusted.then_some(file).ok_or(Unresolved::ForeignPerfMap)
    }
}

/// Where runtimes write their lists.
pub(super) fn default_tmp() -> PathBuf {
    PathBuf::from("/tmp")
}
