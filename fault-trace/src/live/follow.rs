//! Whose mapping changes are read: the sideband of the traced processes, opened task by task, or that
//! of the whole machine where they are too many.

use std::collections::BTreeSet;

use nix::sys::resource::{Resource, getrlimit};

use crate::{
    capture::sideband::{self, OpenError, Sideband},
    host::proc::Proc,
    pipeline::{Coverage, Followed},
};

/// Bound: perf events of traced tasks, one per task and CPU, each a file descriptor. Of more tasks the
/// machine's sideband tells, which other processes can fill.
const TASK_EVENTS_MAX: usize = 1 << 12;
/// The rings of the machine's sideband beside the tasks' own, bytes: setuid programs alone need them.
const RING_BYTES_BESIDE: usize = 128 << 10;
/// The bounds of a task ring, bytes.
const TASK_RING_BYTES: (usize, usize) = (64 << 10, 16 << 20);

/// Whose address spaces are kept, and how much room their changes get.
pub(super) struct Following<'a> {
    /// The traced processes as of the call; `None`: all of the machine.
    pub(super) pids: &'a dyn Fn() -> Option<Vec<u32>>,
    /// Whether what they fork is traced.
    pub(super) children: bool,
    /// The size of the ring buffer of the run, bytes.
    pub(super) buffer_bytes: u32,
}

/// The tasks and CPUs that are followed.
pub(super) struct Followers {
    proc: Proc,
    cpus: Vec<u32>,
    task_ring_bytes: usize,
    /// Why the records of the targets alone are not read, for people.
    notes: Vec<String>,
}

impl Followers {
    /// Opens the sideband of the processes to follow, and of what they fork.
    pub(super) fn open(
        proc: Proc,
        cpus: &[u32],
        following: &Following<'_>,
    ) -> Result<(Self, Sideband, Followed), OpenError> {
        let targets = (following.pids)();
        let ring_bytes = match &targets {
            Some(pids) if fits(&proc, pids, cpus) => RING_BYTES_BESIDE,
            _ => sideband::RING_BYTES,
        };
        let mut sideband = Sideband::open(ring_bytes)?;
        let mut followers = Self {
            proc,
            cpus: cpus.to_vec(),
            task_ring_bytes: task_ring_bytes(following.buffer_bytes),
            notes: Vec::new(),
        };
        let followed = match targets {
            Some(pids) => followers.cover(pids, following, &mut sideband)?,
            None => Followed {
                coverage: Coverage::everyone(),
                pids: followers.proc.processes().unwrap_or_default(),
            },
        };
        Ok((followers, sideband, followed))
    }

    /// Opens the events of every task of the traced processes, until there are no new ones: what an
    /// opened task forks is opened by the kernel.
    fn cover(
        &mut self,
        targets: Vec<u32>,
        following: &Following<'_>,
        sideband: &mut Sideband,
    ) -> Result<Followed, OpenError> {
        let mut coverage = Coverage::of(targets, following.children);
        let mut covered = BTreeSet::new();
        loop {
            let pids = (following.pids)().unwrap_or_default();
            let new: Vec<u32> = pids
                .into_iter()
                .filter(|pid| !covered.contains(pid))
                .collect();
            if new.is_empty() {
                break;
            }
            for pid in new {
                covered.insert(pid);
                match self.add_process(pid, &self.cpus, sideband) {
                    Ok(()) => coverage.cover(pid),
                    Err(why) => {
                        // First, for want of descriptors may be why.
                        sideband.forget_tasks();
                        *sideband = Sideband::open(sideband::RING_BYTES)?;
                        self.notes.push(format!(
                            "mapping changes are read of the whole machine, and other processes can \
                             crowd out those of the traced ones: {why}"
                        ));
                        let pids = (following.pids)().unwrap_or_default();
                        return Ok(Followed {
                            coverage: Coverage::of(pids.iter().copied(), following.children),
                            pids,
                        });
                    }
                }
            }
        }
        Ok(Followed {
            coverage,
            pids: covered.into_iter().collect(),
        })
    }

    /// Opens the events of all tasks of a process on these CPUs.
    fn add_process(&self, pid: u32, cpus: &[u32], sideband: &mut Sideband) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        loop {
            let tids = self.proc.threads(pid).unwrap_or_default();
            let new: Vec<u32> = tids.into_iter().filter(|tid| seen.insert(*tid)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for tid in new {
                let most = task_events_max();
                if sideband.task_events() + cpus.len() > most {
                    return Err(format!(
                        "the targets have more threads than {most} perf events cover"
                    ));
                }
                let added = sideband.add_task(tid, cpus, self.task_ring_bytes);
                added.map_err(|error| error.to_string())?;
            }
        }
    }

    /// Whether these are not the CPUs whose sideband is open.
    pub(super) fn is_news(&self, online: &[u32]) -> bool {
        self.cpus != online
    }

    /// Opens the sideband on CPUs that came online, and gives up that of those that went, all of which
    /// has been read.
    pub(super) fn follow_cpus(
        &mut self,
        online: &[u32],
        sideband: &mut Sideband,
        coverage: &mut Coverage,
    ) -> Result<(), OpenError> {
        sideband.forget_offline(online);
        let new: Vec<u32> = online
            .iter()
            .copied()
            .filter(|cpu| !self.cpus.contains(cpu))
            .collect();
        for &cpu in &new {
            sideband.add_cpu(cpu)?;
        }
        let covered: Vec<u32> = coverage.covered().collect();
        for pid in covered {
            if let Err(why) = self.add_process(pid, &new, sideband) {
                coverage.uncover_all();
                self.notes.push(format!(
                    "since CPU {new:?} came online, mapping changes are read of the whole machine: {why}"
                ));
                break;
            }
        }
        self.cpus = online.to_vec();
        Ok(())
    }

    /// Why the records of the targets alone are not read, for people.
    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes
    }
}

/// Whether the tasks of these processes are few enough for events of their own.
fn fits(proc: &Proc, pids: &[u32], cpus: &[u32]) -> bool {
    let tasks = pids
        .iter()
        .map(|&pid| proc.threads(pid).map_or(0, |tids| tids.len()));
    tasks.sum::<usize>().saturating_mul(cpus.len()) <= task_events_max()
}

/// At most half of the files that may be open: the run needs others.
fn task_events_max() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft / 2);
    usize::try_from(limit).map_or(TASK_EVENTS_MAX, |limit| limit.min(TASK_EVENTS_MAX))
}

/// The room for mapping changes grows with that for faults: 512 KiB at the default of 16 MiB.
fn task_ring_bytes(buffer_bytes: u32) -> usize {
    let (least, most) = TASK_RING_BYTES;
    (buffer_bytes as usize / 32).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_mapping_changes_grows_with_the_buffer_within_bounds() {
        assert_eq!(task_ring_bytes(16 << 20), sideband::RING_BYTES);
        assert_eq!(task_ring_bytes(64 << 20), 2 << 20);
        assert_eq!(task_ring_bytes(4096), 64 << 10);
        assert_eq!(task_ring_bytes(1 << 30), 16 << 20);
    }
}
