//! Before the first fault: checks, settings, loaded programs.

use std::env;

use anyhow::Context as _;
use fault_trace_common::{
    Class, Hooks,
    wire::{KernelFilter, comm},
};

use crate::{
    capture::{Capture, Settings, TargetKind},
    exit::{NotAllowed, Unusable},
    filter::{Condition, Filter, shortened},
    host::{
        cgroups::Hierarchy,
        checks,
        doctor::System,
        kernel,
        proc::Proc,
        rights::{self, Task},
        roots::Roots,
        symbols::{self, Symbols},
        users,
    },
    loading::{self, Trial},
    messages,
    model::{
        findings::Findings,
        interner::Unnamed,
        run::{ClockBase, Run, RunOptions, Unread},
        spaces::SpaceCounts,
    },
    options::{CaptureOptions, Evidence, Target},
    tracee::Tracee,
};

/// The variable that does the same as `--debug-ebpf` if it is 1.
const DEBUG: &str = "FAULT_TRACE_DEBUG_EBPF";

/// Loaded programs, their target, and what is known of the run already.
pub(crate) struct Prepared {
    pub(super) capture: Capture,
    pub(super) tracee: Tracee,
    pub(crate) run: Run,
    /// Whether the kernel's counters of exited threads are read.
    pub(super) knows_exited: bool,
    /// The classes that count, see `Class::bit`.
    pub(super) wanted: u64,
    /// Who reads the files of traced programs; `None` if no fault is recorded.
    pub(super) symbols: Option<Symbols>,
}

/// Checks the machine, loads the programs, finds or launches the target, which still waits, and gives up
/// the rights that are no longer needed.
pub(crate) fn prepare(options: &CaptureOptions) -> anyhow::Result<Prepared> {
    let records_faults = options.ring_bytes.is_some();
    let wanted = wanted(&options.filter, records_faults)?;
    let system = System::read(&Roots::default());
    let findings = checks::evaluate(&system.facts);
    refuse(&findings)?;
    let offsets = system.facts.task_offsets;
    let blank = loading::settings(&system)?;
    let hooks = match options.evidence {
        Evidence::Full => Hooks::ALL,
        Evidence::Core => Hooks::CORE,
    };
    let told = if records_faults {
        before_refining(wanted, hooks.usable_on(blank.kernel))
    } else {
        wanted
    };
    let settings = Settings {
        target: target_kind(&options.target, options.children)?,
        selection: selection(&options.filter, told),
        ring_bytes: options.ring_bytes,
        hooks,
        stacks: options.stacks,
        debugs_programs: options.debug_ebpf || env::var_os(DEBUG).is_some_and(|value| value == "1"),
        ..blank
    };
    let mut notes: Vec<String> = findings
        .degraded()
        .map(|finding| format!("{}: {}", finding.subject, finding.detail))
        .collect();
    let Trial {
        mut capture,
        support,
        refusals,
    } = loading::load(settings, &system)?;
    notes.extend(refusals);
    // Its processes keep rights that this one gives up, and are none of the command's descendants.
    let symbols = records_faults.then(|| Symbols::start(&symbols::Options::default()));
    let tracee = Tracee::new(options, &mut capture)?;
    if let Some(left_out) = tracee.left_out() {
        messages::say(&left_out);
        notes.push(left_out);
    }
    let run = Run {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        host: kernel::host().context("cannot describe this machine")?,
        command: options.target.command(),
        target: options.target.describe(),
        options: RunOptions {
            sample: settings.selection.sample,
            min_latency_ns: settings.selection.min_latency_ns,
            filters: options.filter.counting_words(),
            records_faults,
            call_graph: options.stacks.map(|how| how.name().to_owned()),
        },
        hooks: capture.hooks(),
        support,
        clock: ClockBase {
            monotonic_ns: 0,
            unix_ns: 0,
        },
        started_ns: 0,
        stopped_ns: 0,
        complete: false,
        kernel: None,
        cpu_ns: None,
        calibration: None,
        exit_status: None,
        undecodable: 0,
        spaces: SpaceCounts::default(),
        unnamed: Unnamed::default(),
        unread: Unread::default(),
        cpus_joined: 0,
        knows_gup: offsets.min_flt.is_some() && offsets.maj_flt.is_some(),
        notes,
        totals: crate::model::Totals::default(),
    };
    // Nothing is written before, and no thread runs yet.
    rights::give_up(Task::Trace {
        launched: matches!(options.target, Target::Launch(_)),
    })?;
    Ok(Prepared {
        capture,
        tracee,
        run,
        knows_exited: offsets.min_flt.is_some() && offsets.maj_flt.is_some(),
        wanted,
        symbols,
    })
}

/// Target of the eBPF programs.
fn target_kind(target: &Target, follow_children: bool) -> anyhow::Result<TargetKind> {
    Ok(match target {
        Target::All => TargetKind::All,
        Target::Threads(_) => TargetKind::Threads,
        Target::Launch(_) | Target::Processes(_) => TargetKind::Processes { follow_children },
        Target::Cgroup(path) => {
            let cgroup = Hierarchy::find(&Proc::default())?.resolve(path)?;
            TargetKind::Cgroup {
                id: cgroup.id,
                level: cgroup.level,
            }
        }
        Target::User(user) => TargetKind::User(users::id_of(user)?),
        Target::Comm(name) => {
            if let Some(shortened) = shortened("--comm", name) {
                messages::say(shortened);
            }
            TargetKind::Comm(comm(name.as_bytes()))
        }
    })
}

/// Ends the run where a check says that nothing can be traced.
fn refuse(findings: &Findings) -> anyhow::Result<()> {
    match findings.refusal() {
        None => Ok(()),
        Some(reasons) => {
            Err(NotAllowed(format!("page faults cannot be traced here:\n{reasons}")).into())
        }
    }
}

/// The classes that count, by `--class` and `--family`.
fn wanted(filter: &Filter, records_faults: bool) -> Result<u64, Unusable> {
    let mut by_mapping = filter.conditions().filter_map(|condition| match condition {
        Condition::Class(class) if class.is_by_mapping() => Some(class),
        _ => None,
    });
    if let Some(class) = by_mapping.next().filter(|_| !records_faults) {
        return Err(Unusable(format!(
            "`stat` cannot filter by {}: that class is only known from the mapping, in user space; \
             use record or trace",
            class.name()
        )));
    }
    Ok(filter.for_kernel().class_mask)
}

fn selection(filter: &Filter, class_mask: u64) -> KernelFilter {
    KernelFilter {
        class_mask,
        ..filter.for_kernel()
    }
}

/// What the wanted classes may look like before they are refined.
fn before_refining(wanted: u64, hooks: Hooks) -> u64 {
    let is_wanted = |class: &Class| wanted & class.bit() != 0;
    Class::ALL
        .into_iter()
        .filter(|&before| {
            let mut all = Class::ALL.into_iter().filter(is_wanted);
            all.any(|class| class.may_look_like(before, hooks))
        })
        .fold(0, |mask, class| mask | class.bit())
}
