//! A thread that takes known faults, and times each as a program sees it.

use std::{
    hint,
    num::NonZeroUsize,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
    time::Instant,
};

use anyhow::{Context as _, anyhow};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::{Pid, gettid},
};

use crate::host::touch::FreshPages;

/// 2 MiB: beyond the caches, other work on the machine is all that would be measured.
const PAGES: usize = 512;
/// How often all pages are made fresh and touched again.
const PASSES: usize = 48;
/// Faults a round.
pub(super) const FAULTS: usize = PAGES * PASSES;
/// Shares no factor with the number of pages, so that its multiples come by each of them, and no
/// neighbour follows another.
const STRIDE: usize = 197;

/// The medians of a round, ns.
pub(super) struct Round {
    pub(super) cpu: u32,
    pub(super) clock_ns: u64,
    /// Without the clock's own.
    pub(super) whole_ns: i64,
}

/// A thread with pages that are its own to touch, which waits until it may.
pub(super) struct Toucher {
    go: Option<SyncSender<()>>,
    thread: JoinHandle<anyhow::Result<Round>>,
    tid: u32,
    addresses: (u64, u64),
}

impl Toucher {
    pub(super) fn start() -> anyhow::Result<Self> {
        let pages = const { NonZeroUsize::new(PAGES).expect("not zero") };
        let pages = FreshPages::map(pages).context("cannot map memory to calibrate with")?;
        let addresses = pages.addresses();
        let (tell, told) = sync_channel(1);
        let (go, may_go) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("calibration".to_owned())
            .spawn(move || {
                // Whoever is told is there, or nobody needs to know.
                let _ = tell.send(gettid().as_raw().cast_unsigned());
                round(&pages, &may_go)
            })
            .context("cannot start a thread to calibrate with")?;
        Ok(Self {
            go: Some(go),
            thread,
            tid: told.recv().context("the calibration's thread ended")?,
            addresses,
        })
    }

    pub(super) const fn tid(&self) -> u32 {
        self.tid
    }

    pub(super) const fn addresses(&self) -> (u64, u64) {
        self.addresses
    }

    /// Lets it go; only the first time counts.
    pub(super) fn go(&mut self) {
        if let Some(go) = self.go.take() {
            // It waits for this, or has failed, which it tells at its end.
            let _ = go.send(());
        }
    }

    /// Waits for its end.
    pub(super) fn finish(mut self) -> anyhow::Result<Round> {
        // One that never was to go does not wait for ever.
        self.go = None;
        self.thread
            .join()
            .map_err(|_| anyhow!("the calibration's thread panicked; please report this"))?
    }
}

fn round(pages: &FreshPages, may_go: &Receiver<()>) -> anyhow::Result<Round> {
    let cpu = pin()?;
    let mut times_ns = vec![0; FAULTS];
    // What the loop writes to is there before it starts.
    times_ns
        .iter_mut()
        .for_each(|time| *hint::black_box(time) = 1_u64);
    may_go.recv().context("the calibration was interrupted")?;
    let clock_ns = median(&mut times_ns, || ());
    let mut next = 0;
    let mut refreshed = Ok(());
    let whole_ns = {
        for (index, time_ns) in times_ns.iter_mut().enumerate() {
            if index % PAGES == 0 {
                refreshed = refreshed.and(pages.refresh());
            }
            next = (next + STRIDE) % PAGES;
            *time_ns = timed(|| pages.touch(next));
        }
        middle(&mut times_ns)
    };
    refreshed.context("cannot give memory back")?;
    Ok(Round {
        cpu,
        clock_ns,
        whole_ns: whole_ns.cast_signed() - clock_ns.cast_signed(),
    })
}

#[inline]
fn timed(work: impl FnOnce()) -> u64 {
    let began = Instant::now();
    work();
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn median(times_ns: &mut [u64], mut work: impl FnMut()) -> u64 {
    times_ns
        .iter_mut()
        .for_each(|time| *time = timed(&mut work));
    middle(times_ns)
}

fn middle(times_ns: &mut [u64]) -> u64 {
    let middle = times_ns.len() / 2;
    *times_ns.select_nth_unstable(middle).1
}

/// Keeps this thread on the last CPU that it may use.
fn pin() -> anyhow::Result<u32> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).context("cannot find out which CPUs may be used")?;
    let cpu = (0..CpuSet::count())
        .rev()
        .find(|&cpu| allowed.is_set(cpu) == Ok(true));
    let cpu = cpu.context("no CPU may be used")?;
    let mut only = CpuSet::new();
    only.set(cpu)
        .and_then(|()| sched_setaffinity(this, &only))
        .with_context(|| format!("cannot stay on CPU {cpu}"))?;
    Ok(u32::try_from(cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_touched_once_a_pass() {
        let mut seen = vec![0; PAGES];
        let mut next = 0;
        for _ in 0..PAGES {
            next = (next + STRIDE) % PAGES;
            seen[next] += 1;
        }
        assert!(seen.iter().all(|&times| times == 1));
    }

    #[test]
    fn a_round_measures_more_than_the_clock_and_less_than_a_millisecond() {
        let mut toucher = Toucher::start().expect("starts");
        toucher.go();
        let round = toucher.finish().expect("measures");
        assert!(round.whole_ns > 0, "a fault takes longer than nothing");
        assert!(round.whole_ns < 1_000_000 && round.clock_ns < 1_000_000);
    }

    #[test]
    fn one_that_never_goes_ends_all_the_same() {
        let toucher = Toucher::start().expect("starts");
        assert!(toucher.finish().is_err());
    }
}
