//! Measuring what a fault costs as the program sees it, untraced and traced.

mod toucher;

use anyhow::{Context as _, anyhow, ensure};
use fault_trace_common::Class;

use crate::{
    analysis::estimate::interpolated_median,
    exit::Interrupted,
    filter::{Condition, Filter},
    host::signals,
    live::{self, Progress, Sink},
    messages,
    model::{
        Batch, Calibration, Run,
        calibration::{ModeCost, Spread},
    },
    options::{CallGraph, CaptureOptions, Evidence, Target},
};
use toucher::{Round, Toucher};

/// How often each mode is measured, in turn with the untraced program.
const ROUNDS: u32 = 5;
/// Why there is no calibration.
const INTERRUPTED: &str = "the calibration was interrupted";
/// As the commands have it.
const RING_BYTES: u32 = 16 << 20;

/// A way of tracing, by the name that the output gives it.
struct Mode {
    name: String,
    options: CaptureOptions,
}

/// What `doctor --calibrate` measures: the ways of tracing that most people use.
pub(crate) fn of_all_modes() -> anyhow::Result<Calibration> {
    let mode = |name: &str, ring_bytes, stacks| Mode {
        name: name.to_owned(),
        options: CaptureOptions {
            target: Target::All,
            filter: Filter::default(),
            children: true,
            debug_ebpf: false,
            wait: false,
            duration: None,
            ring_bytes,
            evidence: Evidence::Full,
            stacks,
        },
    };
    measure(&[
        mode("stat", None, None),
        mode("record", Some(RING_BYTES), None),
        mode(
            "record -g",
            Some(RING_BYTES),
            Some(CallGraph::FramePointers),
        ),
    ])
}

/// Calibrates a run that was made with these options.
pub(crate) fn add_to(run: &mut Run, options: &CaptureOptions) -> anyhow::Result<()> {
    run.calibration = Some(measure(&[Mode {
        name: name(options),
        options: options.clone(),
    }])?);
    Ok(())
}

fn name(options: &CaptureOptions) -> String {
    let command = match (options.ring_bytes, options.stacks) {
        (None, _) => "stat",
        (Some(_), None) => "record",
        (Some(_), Some(CallGraph::FramePointers)) => "record -g",
        (Some(_), Some(CallGraph::Dwarf)) => "record --call-graph dwarf",
    };
    match options.evidence {
        Evidence::Full => command.to_owned(),
        Evidence::Core => format!("{command} --evidence core"),
    }
}

/// What each round of a mode showed, ns.
#[derive(Default)]
struct Rounds {
    untraced: Vec<i64>,
    whole: Vec<i64>,
    reported: Vec<i64>,
}

fn measure(modes: &[Mode]) -> anyhow::Result<Calibration> {
    messages::say("calibrating with faults of its own …");
    let signals = signals::count();
    let mut rounds: Vec<Rounds> = modes.iter().map(|_| Rounds::default()).collect();
    // The first round warms up.
    let warm = untraced()?;
    for _ in 0..ROUNDS {
        for (mode, rounds) in modes.iter().zip(&mut rounds) {
            rounds.untraced.push(untraced()?.whole_ns);
            let (whole_ns, reported_ns) = traced(&mode.options)?;
            rounds.whole.push(whole_ns);
            ensure!(signals::count() == signals, INTERRUPTED);
            rounds.reported.push(reported_ns);
        }
    }
    let untraced = rounds.iter().flat_map(|rounds| &rounds.untraced);
    Ok(Calibration {
        cpu: warm.cpu,
        rounds: ROUNDS,
        faults: u32::try_from(toucher::FAULTS).unwrap_or(u32::MAX),
        clock_ns: warm.clock_ns,
        untraced_ns: Spread::of(untraced.copied().collect()).unwrap_or_default(),
        modes: modes
            .iter()
            .zip(&rounds)
            .map(|(mode, rounds)| rounds.cost(&mode.name))
            .collect(),
    })
}

impl Rounds {
    fn cost(&self, mode: &str) -> ModeCost {
        let spread = |values: &[i64]| Spread::of(values.to_vec()).unwrap_or_default();
        let difference = |one: &[i64], other: &[i64]| {
            let pairs = one.iter().zip(other);
            Spread::of(pairs.map(|(one, other)| one - other).collect()).unwrap_or_default()
        };
        ModeCost {
            mode: mode.to_owned(),
            whole_ns: spread(&self.whole),
            added_ns: difference(&self.whole, &self.untraced),
            reported_ns: spread(&self.reported),
            left_out_ns: difference(&self.whole, &self.reported),
            correction_ns: difference(&self.untraced, &self.reported),
        }
    }
}

fn untraced() -> anyhow::Result<Round> {
    let mut toucher = Toucher::start()?;
    toucher.go();
    toucher.finish()
}

/// What is recorded of the faults at these addresses, as `filter` has it.
fn own_pages(filter: &Filter, addresses: (u64, u64)) -> Filter {
    let recording = filter
        .conditions()
        .filter(|condition| matches!(condition, Condition::MinLatency(_) | Condition::Sample(_)));
    let addresses = [Condition::Address(addresses)];
    recording.cloned().chain(addresses).collect()
}

/// The whole fault and the reported latency, medians in ns.
fn traced(options: &CaptureOptions) -> anyhow::Result<(i64, i64)> {
    let toucher = Toucher::start()?;
    let (start, end) = toucher.addresses();
    let options = CaptureOptions {
        target: Target::Threads(vec![toucher.tid()]),
        filter: own_pages(&options.filter, (start, end - 1)),
        children: true,
        debug_ebpf: false,
        wait: false,
        duration: None,
        ..options.clone()
    };
    let prepared = live::prepare(&options)?;
    let mut starter = Starter(toucher);
    let (run, outcome) = live::run(prepared, &options, &mut starter).map_err(|error| {
        if error.is::<Interrupted>() {
            anyhow!(INTERRUPTED)
        } else {
            error
        }
    })?;
    outcome?;
    let round = starter.0.finish()?;
    let seen = run
        .totals
        .classes
        .iter()
        .find(|totals| totals.class == Class::AnonAlloc);
    let seen = seen.filter(|totals| totals.timed() >= toucher::FAULTS as u64 * 9 / 10);
    let reported_ns = seen
        .and_then(|totals| interpolated_median(&totals.buckets))
        .context("the calibration was interrupted: its faults were not seen; try again")?;
    Ok((round.whole_ns, reported_ns.cast_signed()))
}

/// Lets the toucher go once faults count; what is recorded is of no interest.
struct Starter(Toucher);

impl Sink for Starter {
    fn events(&mut self, _batch: &mut Batch, _all: bool) -> anyhow::Result<()> {
        Ok(())
    }

    fn wants_symbols_live(&self) -> bool {
        false
    }

    fn tick(&mut self, _progress: &mut Progress<'_>) -> anyhow::Result<()> {
        self.0.go();
        Ok(())
    }
}
