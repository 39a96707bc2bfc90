//! What a run needs of memory and descriptors, and what to do where there is too little.

use std::{io, path::Path};

use fault_trace_common::Hook;

use crate::{
    capture::Settings,
    exit::NotAllowed,
    host::{kernel, limits, memory::Room, proc::Proc},
    render::units::{bytes, count},
};

// Measured on Linux 6.18 with 2 CPUs, as the kernel memory that a control group was charged for a run of
// `true` (memory.kmem.max_usage_in_bytes), less the buffer.
/// The maps and the programs, without the ring buffer.
const TABLES: u64 = 50 << 20;
/// The same with small tables.
const SMALL_TABLES: u64 = 16 << 20;
/// What the process itself needs before the first fault.
const PROCESS: u64 = 8 << 20;
/// What it needs on top in the end, to name functions.
const NAMES: u64 = 32 << 20;

/// Fits the tables to the memory that the control group has left, if it limits it.
///
/// # Errors
/// There are fewer descriptors than a run needs, or there is less memory than the smallest tables and the buffer need.
pub(crate) fn fit(settings: &mut Settings) -> Result<Option<String>, NotAllowed> {
    // Halfway through, what lacks one would not always be an error: the event loop panics.
    if limits::open_files().is_some_and(|limit| limit < descriptors()) {
        return Err(NotAllowed(format!("too few open files: {}", open_files())));
    }
    let Some(room) = Room::find(&Proc::default()) else {
        return Ok(None);
    };
    let ring_bytes = settings.ring_bytes.map(u64::from);
    let buffer = ring_bytes.unwrap_or(0);
    let names = ring_bytes.map_or(0, |_| NAMES);
    let least = SMALL_TABLES + PROCESS + buffer;
    if room.free_bytes < least {
        return Err(NotAllowed(too_small(&room, least, ring_bytes)));
    }
    settings.small_tables = room.free_bytes < TABLES + PROCESS + buffer + names;
    Ok(settings.small_tables.then(|| {
        format!(
            "the memory cgroup {} has {} left: at most {} threads and processes are counted apart",
            room.cgroup.display(),
            bytes(room.free_bytes),
            count(crate::capture::SMALL_TABLES.into()),
        )
    }))
}

fn too_small(room: &Room, least: u64, ring_bytes: Option<u64>) -> String {
    let mut text = format!(
        "not enough memory: the memory cgroup {} has {} left of {}, and this needs at least {}",
        room.cgroup.display(),
        bytes(room.free_bytes),
        bytes(room.limit_bytes),
        bytes(least),
    );
    text += &remedy(ring_bytes);
    text
}

/// What to do for want of memory.
fn remedy(ring_bytes: Option<u64>) -> String {
    match ring_bytes {
        Some(buffer) if buffer > 1 << 20 => format!(
            ", of which {} are the buffer: choose a smaller one with --buffer 1M, or raise the limit",
            bytes(buffer)
        ),
        _ => ": raise the limit, or free memory".to_owned(),
    }
}

/// Returns why functions are not named in the end: with less memory the kernel would kill this process
/// instead of the recording being finished.
pub(crate) fn of_names() -> Option<String> {
    let room = Room::find(&Proc::default())?;
    (room.free_bytes < NAMES).then(|| {
        format!(
            "functions are not named: the memory cgroup {} has {} left, and that takes {} or more",
            room.cgroup.display(),
            bytes(room.free_bytes),
            bytes(NAMES),
        )
    })
}

/// What a failure for want of memory or descriptors calls for; `None` for any other.
pub(crate) fn explain(error: &io::Error, settings: Option<&Settings>) -> Option<String> {
    match error.raw_os_error()? {
        libc::EMFILE => Some(open_files()),
        libc::ENFILE => Some(
            "the machine has as many files open as it may: raise the limit with \
             `sysctl fs.file-max=…`, or close some"
                .to_owned(),
        ),
        libc::ENOMEM => {
            let ring_bytes = settings.and_then(|settings| settings.ring_bytes);
            let ring_bytes = ring_bytes.map(u64::from);
            let tables = match settings {
                Some(settings) if settings.small_tables => SMALL_TABLES,
                _ => TABLES,
            };
            let need = tables + PROCESS + ring_bytes.unwrap_or(0);
            let left = Room::find(&Proc::default()).map_or_else(
                || "the kernel has no memory left for it".to_owned(),
                |room| {
                    format!(
                        "the memory cgroup {} allows {}",
                        room.cgroup.display(),
                        bytes(room.limit_bytes)
                    )
                },
            );
            Some(format!(
                "{left}, and this needs about {}{}",
                bytes(need),
                remedy(ring_bytes)
            ))
        }
        _ => None,
    }
}

/// The limit on open files, the need, and what to do.
fn open_files() -> String {
    let limit = limits::open_files().unwrap_or(0);
    format!(
        "this process may have {limit} files open, and needs {}: raise the limit with `ulimit -n 1024`",
        descriptors()
    )
}

/// Descriptors that a run needs: for each hook a program and a link, for each CPU its perf events, and
/// some for the maps, the recording and the files that are read.
fn descriptors() -> u64 {
    const OTHERS: usize = 40;
    let cpus = kernel::online_cpus(Path::new(kernel::CPUS_ONLINE)).map_or(1, |cpus| cpus.len());
    (2 * Hook::ALL.len() + 3 * cpus + OTHERS) as u64
}
