//! The faults of a live run, on their way from the kernel to a sink.

use std::{os::fd::OwnedFd, path::PathBuf, time::Duration};

use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{Instant, sleep},
};

use super::{
    ending::{Signals, next},
    follow::{Followers, Following},
    sink::Sink,
};
use crate::{
    capture::{
        Capture, Ring,
        sideband::{OpenError, Sideband},
    },
    host::{kernel, machine::LiveMachine, proc::Proc, symbols::Symbols},
    loading::refusal,
    model::Run,
    options::{CaptureOptions, Target},
    pipeline::{Ending, GivenUp, Pace, Pipeline, Settings, Source},
    tracee::Tracee,
};

/// How often to look whether the end has come nearer.
const CONCLUDE_EVERY: Duration = Duration::from_millis(50);
/// How long after the signal that ended a run names may still come.
const LOOKED_FOR_MAX: Duration = Duration::from_millis(1250);
/// How long after that signal copies of stacks are unwound.
const COPIES_MAX: Duration = Duration::from_secs(1);

/// How long to go on with a full ring buffer when a signal has ended the run, if one did.
pub(super) fn pace(ended_at: Option<Instant>) -> Pace<'static> {
    Pace {
        copies_until: on_the_machine(ended_at.map(|ended| ended + COPIES_MAX)),
        ..Pace::default()
    }
}

/// Returns a moment by the clock of the machine; now, if it is over.
fn on_the_machine(moment: Option<Instant>) -> Option<Duration> {
    let left = moment?.saturating_duration_since(Instant::now());
    Some(Duration::from_nanos(kernel::monotonic_ns()) + left)
}

/// The faults of a run that records them, and whose mapping changes are read.
pub(super) struct Faults {
    pub(super) pipeline: Pipeline<Ring, Sideband, LiveMachine>,
    followers: Followers,
}

impl Faults {
    /// Follows the traced processes, and begins with what they have mapped.
    pub(super) fn open(
        settings: Settings,
        symbols: Symbols,
        options: &CaptureOptions,
        tracee: &Tracee,
        capture: &mut Capture,
    ) -> anyhow::Result<Self> {
        let following = Following {
            pids: &|| tracee.pids(capture),
            children: options.children && !matches!(options.target, Target::Threads(_)),
            buffer_bytes: options.ring_bytes.unwrap_or(0),
        };
        let proc = Proc::default();
        let opened = Followers::open(proc.clone(), &refusal::online_cpus()?, &following);
        let (followers, sideband, followed) = opened.map_err(refusal::unreadable)?;
        let source = Source {
            records: capture.take_ring()?,
            sideband,
        };
        let machine = LiveMachine::new(proc, PathBuf::from("/sys"), symbols);
        Ok(Self {
            pipeline: Pipeline::open(source, machine, settings, followed),
            followers,
        })
    }

    /// Empties the ring buffer into the sink. What comes meanwhile waits for the next time.
    pub(super) fn drain(&mut self, pace: &Pace<'_>, sink: &mut dyn Sink) -> anyhow::Result<()> {
        self.pipeline.drain(pace, |batch| sink.events(batch, false))
    }

    /// Finds out what is still to be found out about the faults: names, most of all, which takes its
    /// time. A signal ends it; what is not known by then is missing in the recording.
    pub(super) async fn conclude(
        &mut self,
        signals: &mut Signals,
        sink: &mut dyn Sink,
    ) -> anyhow::Result<()> {
        let found = self.pipeline.machine().fd();
        let found = found.map(|fd| fd.try_clone_to_owned()).transpose().ok();
        let found = found.flatten().and_then(|fd| {
            // SAFETY: an owned descriptor stays what it is as long as it lives.
            unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()
        });
        let until = on_the_machine(signals.ended_at.map(|ended| ended + LOOKED_FOR_MAX));
        loop {
            let ending = self.pipeline.conclude(until);
            sink.events(self.pipeline.batch_mut(), ending == Ending::Done)?;
            let Ending::Naming(left) = ending else {
                return Ok(());
            };
            sink.naming(left);
            tokio::select! {
                () = readable(found.as_ref()) => {}
                () = sleep(CONCLUDE_EVERY) => {}
                _ = next(&mut signals.ending) => self.pipeline.abandon(GivenUp::Unfinished),
            }
        }
    }

    /// Follows processes on the CPUs that are online now.
    pub(super) fn follow_cpus(&mut self, online: &[u32]) -> Result<(), OpenError> {
        let followers = &mut self.followers;
        if !followers.is_news(online) {
            return Ok(());
        }
        self.pipeline
            .change_sideband(|sideband, coverage| followers.follow_cpus(online, sideband, coverage))
    }

    /// Puts the refined classes, and what was lost on the way, into the run.
    pub(super) fn finish(self, run: &mut Run) {
        run.notes.extend(self.followers.into_notes());
        self.pipeline.finish(run);
    }
}

/// Until there is something to take in, or for ever.
async fn readable(found: Option<&AsyncFd<OwnedFd>>) {
    match found {
        // All of it is taken in before the next wait.
        Some(found) => match found.readable().await {
            Ok(mut ready) => ready.clear_ready(),
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
