//! `oom:mark_victim`: the OOM killer chose a process.

use aya_ebpf::{helpers::bpf_probe_read_kernel, programs::RawTracePointContext};

use crate::{config, maps::OOM_VICTIMS};

/// Beyond every process id: from 6.8 on the argument is the task, before it is its id.
const PID_LIMIT: u64 = 1 << 22;

pub(crate) fn marked(ctx: &RawTracePointContext) {
    let victim: u64 = argument!(ctx, mark_victim.task);
    let pid = if victim <= PID_LIMIT {
        victim as u32
    } else {
        let tgid = victim + u64::from(config::get!(task_tgid_offset));
        // SAFETY: the helper checks the address.
        match unsafe { bpf_probe_read_kernel(tgid as *const u32) } {
            Ok(pid) => pid,
            Err(_) => return,
        }
    };
    let _ = OOM_VICTIMS.insert(&pid, &1, 0);
}
