//! From what the user selected to a filter of recorded faults.

use std::time::Duration;

use fault_trace_common::wire::comm_bytes;

use crate::{
    analysis::FaultFilter,
    exit::Unusable,
    messages,
    model::Run,
    options::{Mode, ProcessName, Selection},
    render,
    session::prepare::shortened,
};

/// The filter of `selection` on the faults of `run`.
///
/// # Errors
/// No process has a name that was asked for, or the run was over by `--from`.
pub(super) fn filter(selection: &Selection, run: &Run) -> anyhow::Result<FaultFilter> {
    let Selection {
        classes,
        families,
        processes,
        mode,
        min_latency,
        addresses,
        from,
        until,
    } = selection;
    if let Some(from) = from.filter(|_| run.complete)
        && ns(from) >= run.stopped_ns.saturating_sub(run.started_ns)
    {
        let took = run.stopped_ns.saturating_sub(run.started_ns);
        return Err(Unusable(format!(
            "--from {} is after the end of the run, which took {}",
            render::units::span(from),
            render::units::duration(took)
        ))
        .into());
    }
    let moment = |after: Duration| run.started_ns.saturating_add(ns(after));
    let window_ns = (from.is_some() || until.is_some()).then(|| {
        let from_ns = from.map_or(0, moment);
        (from_ns, until.map_or(u64::MAX, moment))
    });
    Ok(FaultFilter {
        class_mask: FaultFilter::class_mask(classes, families),
        pids: pids(processes, run)?,
        kernel_mode: mode.map(|mode| mode == Mode::Kernel),
        min_latency_ns: min_latency.map_or(0, ns),
        addresses: *addresses,
        window_ns,
        words: words(selection),
    })
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn pids(wanted: &[ProcessName], run: &Run) -> anyhow::Result<Option<Vec<u32>>> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut pids = Vec::new();
    for process in wanted {
        match process {
            ProcessName::Pid(pid) => {
                let mut processes = run.totals.processes.iter();
                // The totals of a run that was not finished lack what came last.
                if run.complete && !processes.any(|process| process.pid == *pid) {
                    anyhow::bail!(
                        "no process of the recording has the id {pid}; see `report --by process`"
                    );
                }
                pids.push(*pid);
            }
            ProcessName::Comm(name) => {
                let known = pids.len();
                let kept = comm_bytes(name.as_bytes());
                let processes = run.totals.processes.iter();
                // As the kernel keeps them: recordings of older versions have names of 16 bytes.
                let named = processes.filter(|process| comm_bytes(&process.comm) == kept);
                pids.extend(named.map(|process| process.pid));
                if pids.len() == known {
                    anyhow::bail!(unknown(name, run));
                }
                if kept.len() < name.len() {
                    messages::say(shortened("--process", name));
                }
            }
        }
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(Some(pids))
}

/// That no process has a name, and which names there are.
fn unknown(name: &str, run: &Run) -> String {
    const SHOWN: usize = 20;
    let processes = run.totals.processes.iter();
    let mut names: Vec<_> = processes
        .map(|process| String::from_utf8_lossy(&process.comm))
        .collect();
    names.sort_unstable();
    names.dedup();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let mut text = format!("no process of the recording is called {name}");
    if names.is_empty() {
        text += ": it holds no process";
    } else {
        text += &format!("; it holds {}", names.join(", "));
    }
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

/// The options as on the command line.
fn words(selection: &Selection) -> Vec<String> {
    let list = |names: Vec<&str>| (!names.is_empty()).then(|| names.join(","));
    let processes: Vec<String> = selection
        .processes
        .iter()
        .map(|process| match process {
            ProcessName::Pid(pid) => pid.to_string(),
            ProcessName::Comm(name) => name.clone(),
        })
        .collect();
    let time = |time: Option<Duration>| time.map(render::units::span);
    let classes = selection.classes.iter().map(|class| class.name());
    let families = selection.families.iter().map(|family| family.name());
    [
        ("--class", list(classes.collect())),
        ("--family", list(families.collect())),
        (
            "--process",
            list(processes.iter().map(String::as_str).collect()),
        ),
        (
            "--mode",
            selection.mode.map(|mode| match mode {
                Mode::User => "user".to_owned(),
                Mode::Kernel => "kernel".to_owned(),
            }),
        ),
        ("--min-latency", time(selection.min_latency)),
        (
            "--address",
            selection
                .addresses
                .map(|(first, last)| format!("{first:#x}-{:#x}", last.saturating_add(1))),
        ),
        ("--from", time(selection.from)),
        ("--until", time(selection.until)),
    ]
    .into_iter()
    .filter_map(|(option, value)| Some(format!("{option} {}", value?)))
    .collect()
}
