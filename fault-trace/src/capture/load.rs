//! Loading the eBPF object with the settings of a run.

use std::{
    collections::HashMap, iter, num::NonZeroUsize, panic::resume_unwind, sync::Mutex, thread,
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, Stack},
    programs::Program,
};
use fault_trace_common::{
    Hook, Hooks,
    hooks::Attach,
    wire::{
        COMM_LEN, Config, STACKS_COPIED, STACKS_FRAME_POINTERS, STACKS_NONE, TARGET_ALL,
        TARGET_CGROUP, TARGET_COMM, TARGET_PROCESSES, TARGET_THREADS, TARGET_USER,
    },
};

use super::{
    Capture, CaptureError, SMALL_TABLES, Settings, TargetKind,
    debug::{self, Debug},
    totals,
};
use crate::options::CallGraph;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/fault-trace-ebpf"));

pub(super) fn load(settings: &Settings) -> Result<Capture, CaptureError> {
    // Less those that this kernel has but that would mislead.
    let hooks = settings.hooks.usable_on(settings.kernel);
    let config = config(settings, hooks);
    let mut loader = EbpfLoader::new();
    loader
        // Task storage, which aya has no type for; only the eBPF side uses it.
        .allow_unsupported_maps()
        .override_global("CONFIG", bytemuck::bytes_of(&config), true)
        // A run that only counts still needs a ring buffer that can be created.
        .map_max_entries("EVENTS", settings.ring_bytes.unwrap_or(4096));
    debug::prepare(&mut loader, settings.debugs_programs);
    if settings.stacks.is_none() {
        // The map exists whether it is used or not: let it be small.
        loader.map_max_entries("STACKS_SENT", 1);
    }
    if settings.small_tables {
        for name in ["THREADS", "FREE_SLOTS", "PROCESSES", "TARGETS"] {
            loader.map_max_entries(name, SMALL_TABLES);
        }
    }
    let mut ebpf = loader
        .load(OBJECT)
        .map_err(|source| CaptureError::Load(Box::new(source)))?;
    if settings.small_tables {
        bound_slots(&mut ebpf)?;
    }
    load_programs(&mut ebpf, hooks)?;
    let debug = if settings.debugs_programs {
        Some(Debug::new(&mut ebpf)?)
    } else {
        None
    };
    Ok(Capture {
        ebpf,
        hooks,
        debug,
        raw: Vec::new(),
        events: Vec::new(),
    })
}

/// Hands out the slots of small tables as free ones, for the programs would go on to others.
fn bound_slots(ebpf: &mut Ebpf) -> Result<(), CaptureError> {
    let failed = |name| move |source| CaptureError::Map { name, source };
    let mut free: Stack<_, u32> = totals::map_mut(ebpf, "FREE_SLOTS")?;
    for slot in (1..SMALL_TABLES).rev() {
        free.push(&slot, 0).map_err(failed("FREE_SLOTS"))?;
    }
    let mut next: Array<_, u64> = totals::map_mut(ebpf, "NEXT_SLOT")?;
    next.set(0, &u64::MAX, 0).map_err(failed("NEXT_SLOT"))
}

/// Loads the programs of these hooks. The verifier takes most of the time that a start takes; it works
/// for several threads at once.
fn load_programs(ebpf: &mut Ebpf, hooks: Hooks) -> Result<(), CaptureError> {
    let mut programs: HashMap<&str, &mut Program> = ebpf.programs_mut().collect();
    let mut wanted: Vec<(Hook, Option<&mut Program>)> = Vec::new();
    for hook in Hook::ALL.into_iter().filter(|&hook| hooks.has(hook)) {
        let name = hook.info().program;
        // Several tracepoints share a program.
        if !wanted.iter().any(|(hook, _)| hook.info().program == name) {
            wanted.push((hook, programs.remove(name)));
        }
    }
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let waiting = Mutex::new(wanted.into_iter());
    let load_next = || {
        let next = waiting.lock().ok()?.next();
        next.map(|(hook, program)| (hook, load_program(hook, program)))
    };
    let mut refused: Vec<(Hook, CaptureError)> = thread::scope(|scope| {
        let work = || {
            let loaded = iter::from_fn(load_next);
            let refused = loaded.filter_map(|(hook, loaded)| Some((hook, loaded.err()?)));
            refused.collect::<Vec<_>>()
        };
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut refused = work();
        for other in others {
            refused.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        refused
    });
    // Report the same error regardless of which thread finished first.
    refused.sort_by_key(|(hook, _)| *hook as usize);
    refused
        .into_iter()
        .next()
        .map_or(Ok(()), |(_, error)| Err(error))
}

fn load_program(hook: Hook, program: Option<&mut Program>) -> Result<(), CaptureError> {
    let info = hook.info();
    let name = info.program;
    let program = program.ok_or(CaptureError::Missing {
        kind: "program",
        name,
    })?;
    match (info.attach, program) {
        (Attach::RawTracepoint { .. }, Program::RawTracePoint(program)) => program.load(),
        (Attach::Software, Program::PerfEvent(program)) => program.load(),
        _ => {
            return Err(CaptureError::Missing {
                kind: "program of the right type:",
                name,
            });
        }
    }
    .map_err(|source| CaptureError::refused(name, source))
}

fn config(settings: &Settings, hooks: Hooks) -> Config {
    let (target_kind, follow_children) = match settings.target {
        TargetKind::All => (TARGET_ALL, false),
        TargetKind::Processes { follow_children } => (TARGET_PROCESSES, follow_children),
        TargetKind::Threads => (TARGET_THREADS, false),
        TargetKind::Cgroup { .. } => (TARGET_CGROUP, false),
        TargetKind::User(_) => (TARGET_USER, false),
        TargetKind::Comm(_) => (TARGET_COMM, false),
    };
    let (target_cgroup_id, target_cgroup_level) = match settings.target {
        TargetKind::Cgroup { id, level } => (id, level),
        _ => (0, 0),
    };
    Config {
        regions: settings.regions,
        hooks,
        target_kind,
        follow_children: follow_children.into(),
        emit: settings.ring_bytes.is_some().into(),
        filter: settings.selection,
        task_pid_offset: settings.task_offsets.pid,
        task_tgid_offset: settings.task_offsets.tgid,
        task_mm_offset: settings.task_offsets.mm,
        task_pagefault_disabled_offset: settings.task_offsets.pagefault_disabled,
        task_group_leader_offset: settings.task_offsets.group_leader,
        task_comm_offset: settings.task_offsets.comm,
        task_min_flt_offset: settings.task_offsets.min_flt,
        task_maj_flt_offset: settings.task_offsets.maj_flt,
        task_cgroups_offset: settings.task_offsets.cgroups,
        task_start_time_offset: settings.task_offsets.start_time,
        has_prev_state: settings.has_prev_state.into(),
        stacks: match settings.stacks {
            None => STACKS_NONE,
            Some(CallGraph::FramePointers) => STACKS_FRAME_POINTERS,
            Some(CallGraph::Dwarf) => STACKS_COPIED,
        },
        targets_may_leave: matches!(
            settings.target,
            TargetKind::Cgroup { .. } | TargetKind::User(_) | TargetKind::Comm(_)
        )
        .into(),
        target_cgroup_id,
        target_cgroup_level,
        target_uid: match settings.target {
            TargetKind::User(uid) => uid,
            _ => 0,
        },
        target_comm: match settings.target {
            TargetKind::Comm(comm) => comm,
            _ => [0; COMM_LEN],
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

    use super::*;

    /// The programs of the object, each with the section that says how it is attached.
    fn programs() -> BTreeSet<(String, String)> {
        let object = object::File::parse(OBJECT).expect("an object file");
        let functions = object.symbols().filter(|symbol| {
            symbol.kind() == SymbolKind::Text && symbol.is_global() && symbol.size() != 0
        });
        functions
            .filter_map(|symbol| {
                let section = object.section_by_index(symbol.section_index()?).ok()?;
                let section = section.name().ok()?.to_owned();
                // Functions that programs call are in `.text`.
                (section != ".text").then(|| (symbol.name().expect("a name").to_owned(), section))
            })
            .collect()
    }

    #[test]
    fn the_object_has_the_programs_of_the_table_of_hooks_and_no_others() {
        let named = Hook::ALL.map(|hook| {
            let section = match hook.info().attach {
                Attach::RawTracepoint { .. } => "raw_tp",
                Attach::Software => "perf_event",
            };
            (hook.info().program.to_owned(), section.to_owned())
        });
        assert_eq!(programs(), BTreeSet::from(named));
    }
}
