//! A live run: from the first fault to the last, into a sink.

use std::{os::fd::OwnedFd, path::PathBuf, task::Poll, time::Duration};

use anyhow::Context as _;
use fault_trace_common::Counter;
use nix::sys::signal::Signal;
use tokio::{
    io::{Interest, unix::AsyncFd},
    signal::unix::{self, SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{
    follow::{Followers, Following},
    prepare::{self, Prepared},
    shortage,
    tracee::Tracee,
};
use crate::{
    capture::{
        Capture, Ring,
        sideband::{OpenError, Sideband},
    },
    exit::Interrupted,
    host::{
        hotplug::Hotplug,
        kernel,
        machine::LiveMachine,
        proc::Proc,
        signals::{self, Stage},
    },
    messages,
    model::{Batch, Run},
    options::{CaptureOptions, Target},
    pipeline::{Ending, GivenUp, Pipeline, Settings, Source},
};

/// How often the ring buffer is emptied: it fills in about 100 ms at full speed on two CPUs.
const DRAIN_EVERY: Duration = Duration::from_millis(5);
/// How often the tracee is looked for, and the sink told how far the run is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often to look whether the end has come nearer.
const CONCLUDE_EVERY: Duration = Duration::from_millis(50);
/// How long a command may take to end after the signal that ended the run, which reaches it, too. With
/// what follows, the run ends within two seconds of it.
const GRACE: Duration = Duration::from_secs(1);
/// How long after that signal names may still come.
const LOOKED_FOR_MAX: Duration = Duration::from_millis(1500);

/// Where the events of a run go.
pub(super) trait Sink {
    /// Takes events out of a batch, in the order of the ring buffer; with `all` none may be left. What
    /// a fault refers to is there with it, but the functions of its locations only if
    /// [`Sink::wants_symbols_live`].
    fn events(&mut self, batch: &mut Batch, all: bool) -> anyhow::Result<()>;

    /// Whether the functions of a location are wanted as soon as it is seen, or at the end.
    fn wants_symbols_live(&self) -> bool;

    /// Called while names are looked for at the end; so many places have none yet.
    fn naming(&mut self, _left: usize) {}

    /// Called about ten times a second; [`Progress`] tells how far the run is.
    fn tick(&mut self, progress: &mut Progress<'_>) -> anyhow::Result<()>;
}

/// How far a run is. Totals are read only when asked for.
pub(super) struct Progress<'a> {
    pub(super) elapsed: Duration,
    capture: &'a Capture,
    run: &'a Run,
}

impl Progress<'_> {
    /// The run as of now, not complete.
    pub(super) fn run(&mut self) -> anyhow::Result<Run> {
        Ok(Run {
            stopped_ns: kernel::monotonic_ns(),
            totals: self.capture.totals()?.totals,
            ..self.run.clone()
        })
    }
}

/// Runs to the end. The run is returned even if the sink failed: what was counted is worth a report.
pub(super) fn run(
    prepared: Prepared,
    options: &CaptureOptions,
    sink: &mut dyn Sink,
) -> anyhow::Result<(Run, anyhow::Result<()>)> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?
        .block_on(run_async(prepared, options, sink))
}

async fn run_async(
    prepared: Prepared,
    options: &CaptureOptions,
    sink: &mut dyn Sink,
) -> anyhow::Result<(Run, anyhow::Result<()>)> {
    let Prepared {
        mut capture,
        mut tracee,
        mut run,
        knows_exited,
        wanted,
        symbols,
    } = prepared;
    // Before the release, so that the end of the shortest command is not missed.
    let mut signals = Signals::new()?;
    let hotplug = Hotplug::listen();
    let mut faults = if let Some(symbols) = symbols {
        let following = Following {
            pids: &|| tracee.pids(&capture),
            children: options.children && !matches!(options.target, Target::Threads(_)),
            buffer_bytes: options.ring_bytes.unwrap_or(0),
        };
        let proc = Proc::default();
        let opened = Followers::open(proc.clone(), &prepare::online_cpus()?, &following);
        let (followers, sideband, followed) = opened.map_err(prepare::unreadable)?;
        let settings = Settings {
            hooks: capture.hooks(),
            wanted,
            names_live: sink.wants_symbols_live(),
        };
        let machine = LiveMachine::new(proc, PathBuf::from("/sys"), symbols);
        // The processes have begun to be followed: they can be looked at.
        let source = Source {
            records: capture.take_ring()?,
            sideband,
        };
        Some(Faults {
            pipeline: Pipeline::open(source, machine, settings, followed),
            followers,
        })
    } else {
        None
    };
    tracee.before_start(&capture)?;
    run.clock = kernel::clock_base();
    run.started_ns = kernel::monotonic_ns();
    // From here on a signal ends a run, which is reported on.
    if let Some(signal) = signals::enter(Stage::Tracing) {
        return Err(Interrupted { signal }.into());
    }
    capture.start().map_err(prepare::not_allowed)?;
    tracee.after_start();
    tracee.release()?;

    let mut state = State {
        capture: &mut capture,
        faults: faults.as_mut(),
        tracee: &mut tracee,
        run: &mut run,
        sink,
        hotplug,
    };
    let outcome = state.follow(options.duration, &mut signals).await;
    signals::enter(Stage::Finishing);

    let living = tracee.living_descendants(&capture)?;
    // Detaching takes milliseconds, in which a live tracee faults on.
    let before = tracee.reading_live(&capture)?;
    capture.detach()?;
    run.stopped_ns = kernel::monotonic_ns();
    let after = tracee.reading(&capture.totals()?);
    capture.settle();
    let mut snapshot = capture.totals()?;
    run.kernel = tracee.read_kernel(&mut snapshot, &before, &after, knows_exited, living)?;
    run.cpu_ns = tracee.read_cpu(&mut snapshot);
    run.totals = snapshot.totals;
    run.exit_status = tracee.exit_status();
    if let Some(left_behind) = tracee.left_behind(living) {
        messages::say(format_args!("{left_behind}"));
        run.notes.push(left_behind);
    }
    let own_probes = run.totals.counters.get(Counter::OwnProbe);
    if own_probes != 0 {
        run.notes.push(format!(
            "reading the stacks took {own_probes} faults of its own, which are left out"
        ));
    }
    run.complete = true;
    let Some(mut faults) = faults else {
        return Ok((run, outcome));
    };
    let outcome = match outcome.and_then(|()| faults.drain(sink)) {
        Ok(()) => {
            if let Some(why) = shortage::of_names() {
                run.notes.push(why);
                faults.pipeline.abandon(GivenUp::NoMemory);
            }
            faults.conclude(&mut signals, sink).await
        }
        Err(error) => Err(error),
    };
    faults.finish(&mut run);
    Ok((run, outcome))
}

/// The faults of a run that records them, and whose mapping changes are read.
struct Faults {
    pipeline: Pipeline<Ring, Sideband, LiveMachine>,
    followers: Followers,
}

impl Faults {
    /// Empties the ring buffer into the sink. What comes meanwhile waits for the next time.
    fn drain(&mut self, sink: &mut dyn Sink) -> anyhow::Result<()> {
        self.pipeline.drain(|batch| sink.events(batch, false))
    }

    /// Finds out what is still to be found out about the faults: names, most of all, which takes its
    /// time. A signal ends it; what is not known by then is missing in the recording.
    async fn conclude(&mut self, signals: &mut Signals, sink: &mut dyn Sink) -> anyhow::Result<()> {
        let found = self.pipeline.machine().fd();
        let found = found.map(|fd| fd.try_clone_to_owned()).transpose().ok();
        let found = found.flatten().and_then(|fd| {
            // SAFETY: an owned descriptor stays what it is as long as it lives.
            unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()
        });
        let until = signals.ended_at.map(|ended| {
            let left = (ended + LOOKED_FOR_MAX).saturating_duration_since(Instant::now());
            Duration::from_nanos(kernel::monotonic_ns()) + left
        });
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
    fn follow_cpus(&mut self, online: &[u32]) -> Result<(), OpenError> {
        let followers = &mut self.followers;
        if !followers.is_news(online) {
            return Ok(());
        }
        self.pipeline
            .change_sideband(|sideband, coverage| followers.follow_cpus(online, sideband, coverage))
    }

    /// Puts the refined classes, and what was lost on the way, into the run.
    fn finish(self, run: &mut Run) {
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

/// The signals that end a run or tell of the tracee's end.
struct Signals {
    /// When the first one came that ended the run.
    ended_at: Option<Instant>,
    ending: Vec<(Signal, unix::Signal)>,
    child: unix::Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        const FAILED: &str = "cannot listen for signals";
        let listen = |kind| signal(kind).context(FAILED);
        let ending = signals::listen().context(FAILED)?.iter().map(|heard| {
            let kind = SignalKind::from_raw(heard.number);
            Ok((heard.meaning, listen(kind)?))
        });
        Ok(Self {
            ended_at: None,
            ending: ending.collect::<anyhow::Result<_>>()?,
            child: listen(SignalKind::child())?,
        })
    }
}

/// The next of these signals.
async fn next(signals: &mut [(Signal, unix::Signal)]) -> Signal {
    std::future::poll_fn(|context| {
        let came = signals
            .iter_mut()
            .find_map(|(signal, came)| came.poll_recv(context).is_ready().then_some(*signal));
        came.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

struct State<'a> {
    capture: &'a mut Capture,
    faults: Option<&'a mut Faults>,
    tracee: &'a mut Tracee,
    run: &'a mut Run,
    sink: &'a mut dyn Sink,
    hotplug: Hotplug,
}

impl State<'_> {
    /// Until the tracee is gone, the time is up, somebody wants an end, or the sink fails.
    async fn follow(
        &mut self,
        duration: Option<Duration>,
        signals: &mut Signals,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut end = duration.map(|duration| began + duration);
        let mut draining = ticks(DRAIN_EVERY);
        let mut looking = ticks(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = draining.tick(), if self.faults.is_some() => self.drain()?,
                _ = looking.tick() => {
                    self.look(began)?;
                    if self.tracee.is_over(self.capture)? {
                        return Ok(());
                    }
                }
                _ = signals.child.recv() => if self.tracee.is_over(self.capture)? {
                    return Ok(());
                },
                signal = next(&mut signals.ending) => {
                    let ended_at = *signals.ended_at.get_or_insert_with(Instant::now);
                    if !signals::reached_group(signal) {
                        self.tracee.signal(signal);
                    }
                    if self.is_last_call(ended_at + GRACE, &mut end) {
                        return Ok(());
                    }
                }
                () = until(end) => return Ok(()),
            }
        }
    }

    /// Whether to stop at once. A launched command has been told to end, and is given the time to:
    /// what it does until `latest` still counts, and its exit status is wanted. A second call is the
    /// last.
    fn is_last_call(&self, latest: Instant, end: &mut Option<Instant>) -> bool {
        if !self.tracee.is_command_running() || end.is_some_and(|end| end <= latest) {
            return true;
        }
        *end = Some(latest);
        false
    }

    fn drain(&mut self) -> anyhow::Result<()> {
        let Some(faults) = &mut self.faults else {
            return Ok(());
        };
        let drained = faults.drain(self.sink);
        self.run.undecodable = faults.pipeline.undecodable();
        drained
    }

    /// Attaches to the CPUs that are online now. One that was away for a moment is forgotten first: what
    /// was open there is dead.
    fn follow_cpus(&mut self) -> anyhow::Result<()> {
        let gone = self.hotplug.gone();
        let online = prepare::online_cpus()?;
        if !gone.is_empty() {
            let stayed: Vec<u32> = online
                .iter()
                .copied()
                .filter(|cpu| !gone.contains(cpu))
                .collect();
            self.attach_to(&stayed)?;
        }
        self.attach_to(&online)
    }

    fn attach_to(&mut self, cpus: &[u32]) -> anyhow::Result<()> {
        self.run.cpus_joined += self.capture.follow_cpus(cpus)?;
        if let Some(faults) = &mut self.faults {
            match faults.follow_cpus(cpus) {
                // It went offline since it was listed; the next look tells.
                Err(error) if error.is_offline() => {}
                followed => followed?,
            }
        }
        Ok(())
    }

    fn look(&mut self, began: Instant) -> anyhow::Result<()> {
        self.follow_cpus()?;
        if let Some(Faults { pipeline, .. }) = &mut self.faults {
            pipeline.look();
            self.sink.events(pipeline.batch_mut(), true)?;
        }
        self.sink.tick(&mut Progress {
            elapsed: began.elapsed(),
            capture: self.capture,
            run: self.run,
        })
    }
}

fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}
