//! Names of threads and processes. A process goes by the name of its main thread, as in `ps`.

use aya_ebpf::helpers::{bpf_probe_read_kernel, bpf_probe_read_kernel_str_bytes};
use fault_trace_common::wire::{COMM_LEN, ProcessStats};

use crate::{config, current::Current, maps::PROCESSES};

/// Reads a name from kernel memory: at most 15 bytes of a longer one, as the kernel keeps them.
#[inline(always)]
pub(crate) fn read(address: u64) -> Option<[u8; COMM_LEN]> {
    let mut comm = [0; COMM_LEN];
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_kernel_str_bytes(address as *const u8, &mut comm) }.ok()?;
    Some(comm)
}

/// Gives the current thread's process the name of its main thread, which may never have faulted.
#[inline(always)]
pub(crate) fn name_process(current: Current) {
    let pid = current.pid();
    // BPF_NOEXIST: it is there already, mostly.
    let _ = PROCESSES.insert(&pid, ProcessStats::EMPTY, 1);
    let leader = current.group_leader();
    if let Some(process) = PROCESSES.get_ptr_mut(&pid)
        && let Some(comm) = read(leader + u64::from(config::get!(task_comm_offset)))
    {
        // SAFETY: a live map value. Threads that name the process at the same time agree.
        unsafe { (*process).comm = comm };
    }
}

/// Reads the process and thread ids of a task (`struct task_struct *`).
#[inline(always)]
pub(crate) fn ids_of(task: u64) -> Option<(u32, u32)> {
    let (pid, tid) = (
        config::get!(task_tgid_offset),
        config::get!(task_pid_offset),
    );
    // SAFETY: the helper checks the address.
    let read =
        |offset: u32| unsafe { bpf_probe_read_kernel((task + u64::from(offset)) as *const u32) };
    Some((read(pid).ok()?, read(tid).ok()?))
}
