//! The CPU time of what is traced, from before tracing to after it.

use std::{cmp::Reverse, collections::HashMap};

use crate::{
    capture::LiveThread,
    host::{
        cpu_time::{of_process, of_thread},
        proc::Proc,
    },
    model::ThreadTotals,
};

/// Bound: threads whose clocks are read before tracing, 1 ms a thousand.
const THREADS_MAX: usize = 1 << 16;
/// Bound: live threads that a report lists.
const THREADS_LISTED: usize = 100;

/// The clocks of what ran already when tracing began, ns. Whatever began later began at 0.
#[derive(Default)]
pub(super) struct CpuTimes {
    processes: HashMap<u32, u64>,
    threads: HashMap<u32, u64>,
    /// Whether there were more threads than are kept, so that one that is missing may be old.
    has_more: bool,
}

impl CpuTimes {
    /// The clocks of processes and of their threads.
    pub(super) fn now(proc: &Proc, pids: &[u32]) -> Self {
        let mut times = Self::default();
        for &pid in pids {
            let tids = proc.threads(pid).unwrap_or_default();
            if times.threads.len() + tids.len() > THREADS_MAX {
                times.has_more = true;
                break;
            }
            times.processes.extend(of_process(pid).map(|ns| (pid, ns)));
            let clocks = tids
                .into_iter()
                .filter_map(|tid| Some((tid, of_thread(proc, pid, tid)?)));
            times.threads.extend(clocks);
        }
        times
    }

    /// What a process has used since; `None` if it is gone.
    pub(super) fn of_process(&self, pid: u32) -> Option<u64> {
        self.since(&self.processes, pid, of_process(pid)?)
    }

    fn of_thread(&self, proc: &Proc, pid: u32, tid: u32) -> Option<u64> {
        self.since(&self.threads, tid, of_thread(proc, pid, tid)?)
    }

    /// `None` also for a clock that went back: the number has come again.
    fn since(&self, before: &HashMap<u32, u64>, id: u32, now_ns: u64) -> Option<u64> {
        match before.get(&id) {
            Some(before_ns) => now_ns.checked_sub(*before_ns),
            None if self.has_more => None,
            None => Some(now_ns),
        }
    }

    /// What those of `tids` that belong to a process have used since; `None` if one is gone.
    pub(super) fn of_threads(&self, proc: &Proc, pid: u32, tids: &[u32]) -> Option<u64> {
        let mut sum_ns = 0;
        for &tid in tids {
            if proc.process_of(tid).ok()? == pid {
                sum_ns += self.of_thread(proc, pid, tid)?;
            }
        }
        Some(sum_ns)
    }

    /// The live threads with the most fault time.
    pub(super) fn threads(&self, proc: &Proc, live: &[LiveThread]) -> Vec<ThreadTotals> {
        let mut most: Vec<&LiveThread> = live.iter().collect();
        most.sort_by_key(|thread| (Reverse(thread.passed.latency_ns), thread.tid));
        most.truncate(THREADS_LISTED);
        let totals = |thread: &LiveThread| ThreadTotals {
            pid: thread.pid,
            tid: thread.tid,
            comm: thread.comm.clone(),
            started: thread.started,
            latency_ns: thread.latency_ns,
            passed: Some(thread.passed),
            cpu_ns: self.of_thread(proc, thread.pid, thread.tid),
        };
        most.into_iter().map(totals).collect()
    }
}
