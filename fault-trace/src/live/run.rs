//! The run itself: from the first fault to the last, into a sink.

use std::time::Duration;

use anyhow::Context as _;
use fault_trace_common::Counter;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{
    ending::{Signals, next},
    faults::{Faults, pace},
    prepare::Prepared,
    sink::{Progress, Sink},
};
use crate::{
    capture::Capture,
    exit::Interrupted,
    host::{
        hotplug::Hotplug,
        kernel,
        signals::{self, Stage},
    },
    loading::{refusal, shortage},
    messages,
    model::Run,
    options::CaptureOptions,
    pipeline::{GivenUp, Pace, Settings},
    tracee::Tracee,
};

/// How often the ring buffer is emptied: it fills in about 100 ms at full speed on two CPUs.
const DRAIN_EVERY: Duration = Duration::from_millis(5);
/// How often the tracee is looked for, and the sink told how far the run is.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a command may take to end after the signal that ended the run, which reaches it, too. With
/// what follows, the run ends within two seconds of it.
const GRACE: Duration = Duration::from_secs(1);

/// Runs to the end. The run is returned even if the sink failed: what was counted is worth a report.
pub(crate) fn run(
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
    let mut faults = match symbols {
        None => None,
        Some(symbols) => {
            let settings = Settings {
                hooks: capture.hooks(),
                wanted,
                names_live: sink.wants_symbols_live(),
            };
            Some(Faults::open(
                settings,
                symbols,
                options,
                &tracee,
                &mut capture,
            )?)
        }
    };
    tracee.start(&mut capture, || {
        run.clock = kernel::clock_base();
        run.started_ns = kernel::monotonic_ns();
        // From here on a signal ends a run, which is reported on.
        match signals::enter(Stage::Tracing) {
            Some(signal) => Err(Interrupted { signal }.into()),
            None => Ok(()),
        }
    })?;

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
    let after = tracee.reading(&capture, &capture.totals()?);
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
    let late = pace(signals.ended_at);
    let outcome = match outcome.and_then(|()| faults.drain(&late, sink)) {
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
                _ = draining.tick(), if self.faults.is_some() => self.drain(signals.ended_at, end)?,
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
                    let asked_at = || signals::asked_at().map_or_else(Instant::now, Instant::from_std);
                    let ended_at = *signals.ended_at.get_or_insert_with(asked_at);
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

    /// Takes in what came, but no longer than to the next signal or the end: under load that may be a
    /// full buffer, which takes its time.
    fn drain(&mut self, ended_at: Option<Instant>, end: Option<Instant>) -> anyhow::Result<()> {
        let Some(faults) = &mut self.faults else {
            return Ok(());
        };
        let before = signals::count();
        let stops = || signals::count() != before || end.is_some_and(|end| Instant::now() >= end);
        let drained = faults.drain(
            &Pace {
                stops: &stops,
                ..pace(ended_at)
            },
            self.sink,
        );
        self.run.undecodable = faults.pipeline.undecodable();
        drained
    }

    /// Attaches to the CPUs that are online now. One that was away for a moment is forgotten first: what
    /// was open there is dead.
    fn follow_cpus(&mut self) -> anyhow::Result<()> {
        let gone = self.hotplug.gone();
        let online = refusal::online_cpus()?;
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
