//! Loading and attaching the programs, and finding out on the way what this kernel takes.

use anyhow::Context as _;
use fault_trace_common::{Hook, Hooks, catalogue::tracepoint::sched_switch, wire::KernelFilter};

use super::{
    refusal::{explained, online_cpus},
    shortage,
};
use crate::{
    capture::{self, Capture, Settings, TargetKind},
    host::{
        checks::{self, Facts},
        doctor::System,
    },
    model::{
        support::{self, Support},
        version::Version,
    },
};

/// Programs that are loaded and attached, without those that this kernel does not take.
pub(crate) struct Trial {
    pub(crate) capture: Capture,
    pub(crate) support: Support,
    /// What was refused or made smaller, for people.
    pub(crate) refusals: Vec<String>,
}

/// The settings that the machine gives: those of a run that traces nothing.
///
/// # Errors
/// The kernel does not tell what the programs need to know.
pub fn settings(system: &System) -> anyhow::Result<Settings> {
    let version = Version::parse(&system.facts.kernel_release)
        .context("cannot determine the version of the running kernel")?;
    let offsets = system.facts.task_offsets;
    let required = |offset: Option<u32>| {
        offset.context("the kernel's type information lacks a member of task_struct")
    };
    Ok(Settings {
        target: TargetKind::Threads,
        selection: KernelFilter::NONE,
        ring_bytes: None,
        regions: system.layout.regions,
        task_offsets: capture::TaskOffsets {
            pid: required(offsets.pid)?,
            tgid: required(offsets.tgid)?,
            mm: required(offsets.mm)?,
            pagefault_disabled: required(offsets.pagefault_disabled)?,
            group_leader: required(offsets.group_leader)?,
            comm: required(offsets.comm)?,
            min_flt: offsets.min_flt.unwrap_or(0),
            maj_flt: offsets.maj_flt.unwrap_or(0),
            cgroups: offsets.cgroups.unwrap_or(0),
            start_time: offsets.start_time.unwrap_or(0),
        },
        kernel: version,
        has_prev_state: system
            .facts
            .prototypes
            .passes(Hook::SchedSwitch, sched_switch::prev_state as usize)
            .unwrap_or(version >= Version::SWITCH_STATE),
        hooks: Hooks::ALL,
        stacks: None,
        small_tables: false,
        debugs_programs: false,
    })
}

/// Loads and attaches. Nothing counts before [`Capture::start`].
pub(crate) fn load(mut settings: Settings, system: &System) -> anyhow::Result<Trial> {
    let cpus = online_cpus()?;
    let shortage = shortage::fit(&mut settings)?;
    settings.hooks = checks::worth_trying(&system.facts, settings.hooks);
    let mut refused: Vec<(Hook, String)> = Vec::new();
    loop {
        let attached = Capture::load(&settings)
            .and_then(|mut capture| capture.attach(&cpus).map(|()| capture));
        let error = match attached {
            Ok(capture) => {
                return Ok(Trial {
                    support: support(system, capture.hooks(), &refused),
                    refusals: refused.iter().map(note).chain(shortage).collect(),
                    capture,
                });
            }
            Err(error) => error,
        };
        let hooks = error.optional_hooks();
        if hooks.is_empty() {
            return Err(explained(error, Some(&settings)));
        }
        for hook in hooks {
            settings.hooks = settings.hooks.without(hook);
            refused.push((hook, error.kernels_reason()));
        }
    }
}

fn support(system: &System, attached: Hooks, refused: &[(Hook, String)]) -> Support {
    let facts: &Facts = &system.facts;
    Support {
        hooks: checks::tried(facts, attached, refused),
        classes: support::classes(attached, &system.features),
    }
}

fn note((hook, reason): &(Hook, String)) -> String {
    let info = hook.info();
    format!(
        "this kernel does not take {} ({reason}): {} is missing from the evidence",
        info.name, info.gives
    )
}
