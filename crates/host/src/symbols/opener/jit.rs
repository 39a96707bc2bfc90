//! Processes that compile code while they run: where the runtime lists it (`perf-PID.map`).

use std::{
    collections::HashMap,
    fs::File,
    io::BufReader,
    os::fd::OwnedFd,
    path::Path,
    sync::mpsc::{Receiver, Sender},
};

use procfs::{FromBufRead as _, process::Status};

use super::{
    behind::{directory_inside, open_owned},
    pool::{OpenFile, Pool},
};
use crate::{proc::Proc, symbols::protocol::Unnamed};

/// What is remembered of such a process, so that its list can be read when it is gone.
#[derive(Debug)]
struct JitProcess {
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
    Exited(Result<File, Unnamed>),
    /// Another process with code of its own had the pid later: whose an address is, is unknown.
    Reused,
}

impl JitProcess {
    /// Remembers a process that runs; one that is gone already gives little to remember.
    fn new(proc: &Proc, pid: u32) -> Self {
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
    fn seen(&mut self) {
        if matches!(self.life, Life::Exited(_)) {
            self.life = Life::Reused;
        }
    }

    /// It exited: its list is complete, and its file may soon go.
    fn exited(mut self, proc: &Proc, tmp: &Path) -> Self {
        if matches!(self.life, Life::Running) {
            self.life = Life::Exited(self.open(proc, tmp));
            self.tmp = None;
        }
        self
    }

    /// Its list of functions as of now.
    fn perf_map(self, proc: &Proc, tmp: &Path) -> (Self, Result<File, Unnamed>) {
        let list = match &self.life {
            Life::Running => self.open(proc, tmp),
            Life::Exited(list) => list
                .as_ref()
                .map_err(|reason| *reason)
                .and_then(|file| file.try_clone().map_err(|_| Unnamed::NoPerfMap)),
            Life::Reused => Err(Unnamed::PidReused),
        };
        (self, list)
    }

    /// In its /tmp under its own number, else in ours under the number we know.
    fn open(&self, proc: &Proc, tmp: &Path) -> Result<File, Unnamed> {
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
            .ok_or(Unnamed::NoPerfMap)?;
        // Anyone may put a file of that name into /tmp.
        let trusted = owner == 0 || Some(owner) == self.owner;
        trusted.then_some(file).ok_or(Unnamed::ForeignPerfMap)
    }
}

/// What is asked about such processes, in the order of the tracer's orders.
pub(super) enum JitOrder {
    /// Code of the process was seen, or code of another process with its pid.
    Seen(u32),
    Exited(u32),
    /// Its list of functions as of now.
    List(u32, Sender<Result<OpenFile, Unnamed>>),
}

/// Bound: processes with code of their own; each is a file descriptor.
const PROCESSES_MAX: usize = 256;

/// Follows such processes, until nobody gives orders any more. What may hang is done by the pool.
pub(super) fn follow(orders: &Receiver<JitOrder>, proc: &Proc, tmp: &Path, pool: &Pool) {
    // `None`: its file system does not answer.
    let mut processes: HashMap<u32, Option<JitProcess>> = HashMap::new();
    while let Ok(order) = orders.recv() {
        let (proc, tmp) = (proc.clone(), tmp.to_owned());
        match order {
            JitOrder::Seen(pid) => {
                if let Some(known) = processes.get_mut(&pid) {
                    known.iter_mut().for_each(JitProcess::seen);
                } else if processes.len() < PROCESSES_MAX {
                    let process = pool.ask(move || JitProcess::new(&proc, pid));
                    processes.insert(pid, process.ok());
                }
            }
            JitOrder::Exited(pid) => {
                if let Some(process) = processes.get_mut(&pid).and_then(Option::take) {
                    let exited = pool.ask(move || process.exited(&proc, &tmp));
                    processes.insert(pid, exited.ok());
                }
            }
            JitOrder::List(pid, tell) => {
                let list = match processes.get_mut(&pid).and_then(Option::take) {
                    None => Err(Unnamed::NoPerfMap),
                    Some(process) => match pool.ask(move || process.perf_map(&proc, &tmp)) {
                        Err(_) => Err(Unnamed::GivenUp),
                        Ok((process, list)) => {
                            processes.insert(pid, Some(process));
                            list
                        }
                    },
                };
                // Nobody may wait for it any more.
                let _ = tell.send(list.map(|file| pool.file(file)));
            }
        }
    }
}
