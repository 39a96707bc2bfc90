//! Attaching and detaching, in an order that keeps the books: closers before START.

use std::os::fd::AsFd as _;

use aya::programs::Program;
use fault_trace_common::{Hook, hooks::Attach};

use super::{Capture, CaptureError, perf_event};

const STARTS: [Hook; 2] = [Hook::PageFaultKernel, Hook::PageFaultUser];
const EVENTS: [Hook; 2] = [Hook::FaultsMinor, Hook::FaultsMajor];

pub(super) fn attach(capture: &mut Capture, cpus: &[u32]) -> Result<(), CaptureError> {
    for hook in Hook::ALL {
        let raw = matches!(hook.info().attach, Attach::RawTracepoint { .. });
        if raw && capture.hooks.has(hook) && !STARTS.contains(&hook) {
            attach_raw(capture, hook)?;
        }
    }
    for &cpu in cpus {
        attach_cpu(capture, cpu)?;
    }
    Ok(())
}

pub(super) fn start(capture: &mut Capture) -> Result<(), CaptureError> {
    STARTS
        .into_iter()
        .try_for_each(|hook| attach_raw(capture, hook))
}

fn attach_raw(capture: &mut Capture, hook: Hook) -> Result<(), CaptureError> {
    let info = hook.info();
    let Some(Program::RawTracePoint(program)) = capture.ebpf.program_mut(info.program) else {
        return Err(CaptureError::Missing {
            kind: "program",
            name: info.program,
        });
    };
    let link = program
        .attach(info.name)
        .map_err(|source| CaptureError::Attach {
            hook,
            source: Box::new(source),
        })?;
    capture.raw.push((hook, link));
    Ok(())
}

fn attach_cpu(capture: &mut Capture, cpu: u32) -> Result<(), CaptureError> {
    for hook in EVENTS {
        let name = hook.info().program;
        let Some(Program::PerfEvent(program)) = capture.ebpf.program(name) else {
            return Err(CaptureError::Missing {
                kind: "program",
                name,
            });
        };
        let program = program.fd().map_err(|source| CaptureError::Program {
            program: name,
            source: Box::new(source),
        })?;
        match perf_event::open(hook, cpu, program.as_fd()) {
            Ok(event) => capture.events.push((cpu, event)),
            // The CPU went offline since it was listed.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(()),
            Err(source) => return Err(CaptureError::PerfEvent { hook, cpu, source }),
        }
    }
    Ok(())
}

/// Returns how many CPUs came online.
pub(super) fn follow_cpus(capture: &mut Capture, online: &[u32]) -> Result<u64, CaptureError> {
    let mut joined = 0;
    // The kernel ends the events of a CPU that goes offline.
    capture.events.retain(|(cpu, _)| online.contains(cpu));
    for &cpu in online {
        if !capture.events.iter().any(|&(known, _)| known == cpu) {
            attach_cpu(capture, cpu)?;
            joined += 1;
        }
    }
    Ok(joined)
}

pub(super) fn detach(capture: &mut Capture) {
    let (starts, others): (Vec<_>, Vec<_>) = capture
        .raw
        .drain(..)
        .partition(|(hook, _)| STARTS.contains(hook));
    for (hook, link) in starts.into_iter().chain(others) {
        if let Some(Program::RawTracePoint(program)) = capture.ebpf.program_mut(hook.info().program)
        {
            // Only a link that is gone already cannot be detached.
            let _ = program.detach(link);
        }
    }
    capture.events.clear();
}
