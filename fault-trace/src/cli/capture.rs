//! The arguments that say whom to trace, which faults count, and how much of them to keep.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::Args;

use super::{
    filter::{COUNTING, FilterArguments, RECORDING},
    values,
};
use crate::{
    filter::duration,
    options::{CallGraph, CaptureOptions, Evidence, Target},
};

#[derive(Args)]
pub(super) struct Capture {
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    filter: FilterArguments<COUNTING>,
    /// Trace only the processes of --pid, without their descendants
    #[arg(long, conflicts_with_all = ["tid", "cgroup", "user", "comm", "all", "command"],
        help_heading = "Capture")]
    no_children: bool,
    /// Continue after the command or the processes of --pid have ended, until all their descendants
    /// have ended
    #[arg(long, conflicts_with_all = ["tid", "cgroup", "user", "comm", "all"],
        help_heading = "Capture")]
    wait: bool,
    /// Show on standard error where the eBPF programs meet something unexpected, as with
    /// FAULT_TRACE_DEBUG_EBPF=1
    #[arg(long, help_heading = "For developers of fault-trace")]
    debug_ebpf: bool,
    /// Stop after T; until then, continue while descendants of the command or the processes live
    #[arg(long, value_name = "T", value_parser = duration, help_heading = "Capture")]
    duration: Option<Duration>,
    /// How much evidence to gather: core leaves out sleep, I/O, locks and reclaim
    #[arg(long, value_parser = values::choice::<Evidence>(), default_value = Evidence::Full.name(),
        help_heading = "Capture")]
    evidence: Evidence,
}

/// What only commands that record single faults take.
#[derive(Args)]
pub(super) struct Events {
    #[command(flatten)]
    filter: FilterArguments<RECORDING>,
    /// Take the stack of each recorded fault: the same as --call-graph fp
    #[arg(short = 'g', long, help_heading = "Capture")]
    stacks: bool,
    /// How to find the callers: fp follows frame pointers; dwarf copies 8 KiB of stack with each
    /// fault, costs more, and needs no frame pointers
    #[arg(long, value_parser = values::choice::<CallGraph>(), value_name = "HOW",
        help_heading = "Capture")]
    call_graph: Option<CallGraph>,
    /// The size of the buffer between the kernel and the recorder [default: 16MiB; 128MiB with
    /// --call-graph dwarf]
    #[arg(long, value_name = "SIZE", value_parser = values::ring_bytes, help_heading = "Capture")]
    buffer: Option<u32>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct TargetArguments {
    /// Trace processes with all their threads and descendants
    #[arg(short, long, value_name = "PID,…", value_delimiter = ',', help_heading = "Target",
        value_parser = values::pid)]
    pid: Vec<u32>,
    /// Trace single threads
    #[arg(short, long, value_name = "TID,…", value_delimiter = ',', help_heading = "Target",
        value_parser = values::tid)]
    tid: Vec<u32>,
    /// Trace the threads in a cgroup (version 2) and below it
    #[arg(long, value_name = "PATH", help_heading = "Target")]
    cgroup: Option<PathBuf>,
    /// Trace the threads of a user, by name or number
    #[arg(short, long, value_name = "USER", value_parser = values::user, help_heading = "Target")]
    user: Option<String>,
    /// Trace the threads of this name, as `ps -eLo comm` shows it
    #[arg(long, value_name = "NAME", help_heading = "Target", value_parser = values::comm)]
    comm: Option<String>,
    /// Trace the whole machine
    #[arg(short, long, help_heading = "Target")]
    all: bool,
    /// Launch a command and trace it and its children; its exit status is passed on
    #[arg(last = true, value_name = "COMMAND", help_heading = "Target")]
    command: Vec<OsString>,
}

impl Events {
    fn ring_bytes(&self) -> u32 {
        const FOR_RECORDS: u32 = 16 << 20;
        const FOR_COPIES_OF_STACKS: u32 = 128 << 20;
        self.buffer.unwrap_or(match self.call_graph() {
            Some(CallGraph::Dwarf) => FOR_COPIES_OF_STACKS,
            Some(CallGraph::FramePointers) | None => FOR_RECORDS,
        })
    }

    fn call_graph(&self) -> Option<CallGraph> {
        let stacks = self.stacks.then_some(CallGraph::FramePointers);
        self.call_graph.or(stacks)
    }
}

impl Capture {
    /// Without `events` nothing is recorded, only counted.
    pub(super) fn into_options(self, events: Option<&Events>) -> CaptureOptions {
        CaptureOptions {
            target: self.target.into(),
            filter: self
                .filter
                .conditions()
                .chain(
                    events
                        .into_iter()
                        .flat_map(|events| events.filter.conditions()),
                )
                .cloned()
                .collect(),
            children: !self.no_children,
            debug_ebpf: self.debug_ebpf,
            wait: self.wait,
            duration: self.duration,
            ring_bytes: events.map(Events::ring_bytes),
            stacks: events.and_then(Events::call_graph),
            evidence: self.evidence,
        }
    }
}

impl From<TargetArguments> for Target {
    /// clap has seen to it that there is exactly one.
    fn from(target: TargetArguments) -> Self {
        if !target.command.is_empty() {
            Self::Launch(target.command)
        } else if !target.pid.is_empty() {
            Self::Processes(target.pid)
        } else if !target.tid.is_empty() {
            Self::Threads(target.tid)
        } else if let Some(path) = target.cgroup {
            Self::Cgroup(path)
        } else if let Some(user) = target.user {
            Self::User(user)
        } else if let Some(comm) = target.comm {
            Self::Comm(comm)
        } else {
            Self::All
        }
    }
}
