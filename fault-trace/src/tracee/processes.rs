//! The running processes that were named, with what descends from them.

use std::{collections::BTreeMap, process};

use anyhow::{Context as _, bail};

use crate::{
    capture::Capture,
    host::{family::descendants, proc::Proc},
};

/// Named processes, and the descendants that they had when tracing began.
#[derive(Debug)]
pub(super) struct Processes {
    named: Vec<u32>,
    /// When each of them, and of their traced descendants, was started: an id may come again.
    started_ticks: BTreeMap<u32, u64>,
    /// The living descendants that are not traced on request.
    left_out: usize,
}

impl Processes {
    /// Makes the processes targets, and with `children` their living descendants.
    pub(super) fn new(
        proc: &Proc,
        named: &[u32],
        children: bool,
        capture: &mut Capture,
    ) -> anyhow::Result<Self> {
        let mut processes = Self {
            named: named.to_vec(),
            started_ticks: BTreeMap::new(),
            left_out: 0,
        };
        for &pid in named {
            refuse(proc, pid)?;
            processes.add(proc, pid, capture)?;
        }
        if children {
            processes.add_descendants(proc, capture)?;
        } else {
            processes.left_out = living_descendants(proc, named)?.len();
        }
        Ok(processes)
    }

    /// Adds living descendants until there are no new ones. What a process forks once it is a target
    /// is followed by the kernel, so that none is missed whose ancestors live.
    fn add_descendants(&mut self, proc: &Proc, capture: &mut Capture) -> anyhow::Result<()> {
        loop {
            let mut new = living_descendants(proc, &self.named)?;
            new.retain(|pid| !self.started_ticks.contains_key(pid));
            if new.is_empty() {
                return Ok(());
            }
            for pid in new {
                self.add(proc, pid, capture)?;
            }
        }
    }

    fn add(&mut self, proc: &Proc, pid: u32, capture: &mut Capture) -> anyhow::Result<()> {
        capture.add_target(pid)?;
        // One that is gone by now has no start, and none that comes again has this one.
        let started_ticks = proc.process(pid).map_or(0, |process| process.started_ticks);
        self.started_ticks.insert(pid, started_ticks);
        Ok(())
    }

    /// The processes that were named, and their descendants when tracing began.
    pub(super) fn at_first(&self) -> impl Iterator<Item = u32> + '_ {
        self.started_ticks.keys().copied()
    }

    /// Whether a process that was named lives.
    pub(super) fn has_named(&self, proc: &Proc) -> bool {
        self.named.iter().any(|&pid| self.is_alive(proc, pid))
    }

    /// How many of the targets live and were not named.
    pub(super) fn living_descendants(&self, proc: &Proc, targets: &[u32]) -> usize {
        let descendants = targets.iter().filter(|pid| !self.named.contains(pid));
        descendants.filter(|&&pid| self.is_alive(proc, pid)).count()
    }

    /// How many living descendants were left out on request.
    pub(super) const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Whether a target lives. The kernel forgets the others when they exit.
    fn is_alive(&self, proc: &Proc, pid: u32) -> bool {
        let Some(&started_ticks) = self.started_ticks.get(&pid) else {
            return true;
        };
        proc.process(pid)
            .is_ok_and(|process| !process.has_exited && process.started_ticks == started_ticks)
    }
}

/// Without this process, which a shell that is traced has started, and what descends from it.
fn living_descendants(proc: &Proc, roots: &[u32]) -> anyhow::Result<Vec<u32>> {
    descendants(proc, roots, process::id()).context("cannot list the processes in /proc")
}

/// Ends the run where there is nothing to trace of a process.
fn refuse(proc: &Proc, pid: u32) -> anyhow::Result<()> {
    let Ok(process) = proc.process(pid) else {
        bail!("there is no process {pid}; name a running one, see ps -e");
    };
    match proc.process_of(pid) {
        Ok(of) if of != pid => bail!(
            "{pid} is a thread of process {of}; trace that thread with --tid {pid}, or all of the \
             process with --pid {of}"
        ),
        _ => {}
    }
    if process.is_kernel_thread {
        bail!(
            "process {pid} is a thread of the kernel: it has no memory of its own, and takes no page \
             faults"
        );
    }
    if process.has_exited {
        bail!(
            "process {pid} has exited already, and only waits for its parent, process {}, to take \
             its status",
            process.parent_pid
        );
    }
    Ok(())
}
