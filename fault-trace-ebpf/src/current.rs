//! The current thread as the kernel keeps it.

use aya_ebpf::{
    bindings::{BPF_LOCAL_STORAGE_GET_F_CREATE, task_struct},
    helpers::{
        bpf_get_current_cgroup_id, bpf_get_current_comm,
        generated::{bpf_get_current_task_btf, bpf_task_pt_regs, bpf_task_storage_get},
    },
};
use fault_trace_common::{ledger::FaultCounters, wire::COMM_LEN};

use crate::{config, maps::TaskStorage};

/// The current thread. Its fields are read in place, at offsets that user space took from BTF: a helper
/// takes longer.
#[derive(Clone, Copy)]
pub(crate) struct Current(*mut task_struct);

impl Current {
    #[inline(always)]
    pub(crate) fn get() -> Self {
        // SAFETY: no arguments to get wrong.
        Self(unsafe { bpf_get_current_task_btf() })
    }

    /// Its `struct task_struct *`.
    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    /// The process and thread ids.
    #[inline(always)]
    pub(crate) fn ids(self) -> (u32, u32) {
        let offset = config::get!(task_pid_offset);
        // SAFETY: it is of this size.
        (self.pid(), unsafe { self.field(offset) })
    }

    /// The process id.
    #[inline(always)]
    pub(crate) fn pid(self) -> u32 {
        let offset = config::get!(task_tgid_offset);
        // SAFETY: it is of this size.
        unsafe { self.field(offset) }
    }

    /// Its process's main thread (`struct task_struct *`).
    #[inline(always)]
    pub(crate) fn group_leader(self) -> u64 {
        let offset = config::get!(task_group_leader_offset);
        // SAFETY: a pointer.
        unsafe { self.field(offset) }
    }

    /// Its name.
    #[inline(always)]
    pub(crate) fn comm(self) -> [u8; COMM_LEN] {
        bpf_get_current_comm().unwrap_or_default()
    }

    /// CONFIRM: whether the handler accepts a fault at a user address that the kernel takes now. It asks
    /// for the same, and for `in_atomic()`, where code that may fault disables page faults, too
    /// (`faulthandler_disabled()` in include/linux/uaccess.h, `do_user_addr_fault()` in
    /// arch/x86/mm/fault.c).
    #[inline(always)]
    pub(crate) fn accepts_faults(self) -> bool {
        let disabled = config::get!(task_pagefault_disabled_offset);
        let mm = config::get!(task_mm_offset);
        // SAFETY: an int, and a pointer.
        unsafe { self.field::<u32>(disabled) == 0 && self.field::<u64>(mm) != 0 }
    }

    /// The kernel's own fault counters of the thread; `None` where they are not known.
    #[inline(always)]
    pub(crate) fn fault_counters(self) -> Option<FaultCounters> {
        let minor = config::get!(task_min_flt_offset);
        let major = config::get!(task_maj_flt_offset);
        if minor == 0 || major == 0 {
            return None;
        }
        // SAFETY: both are of this size.
        let (minor, major) = unsafe { (self.field(minor), self.field(major)) };
        Some(FaultCounters { minor, major })
    }

    /// When it began, ns of CLOCK_MONOTONIC; 0 where unknown.
    #[inline(always)]
    pub(crate) fn start_ns(self) -> u64 {
        let offset = config::get!(task_start_time_offset);
        if offset == 0 {
            return 0;
        }
        // SAFETY: it is of this size.
        unsafe { self.field(offset) }
    }

    /// What changes whenever the thread moves to another cgroup of any hierarchy; 0 where unknown.
    #[inline(always)]
    pub(crate) fn cgroups(self) -> u64 {
        let offset = config::get!(task_cgroups_offset);
        if offset == 0 {
            return 0;
        }
        // SAFETY: a pointer.
        unsafe { self.field(offset) }
    }

    /// The id of its cgroup of version 2.
    #[inline(always)]
    pub(crate) fn cgroup_id(self) -> u64 {
        // SAFETY: no arguments to get wrong.
        unsafe { bpf_get_current_cgroup_id() }
    }

    /// Where the kernel keeps the registers that the thread has in user mode (`struct pt_regs *`).
    #[inline(always)]
    pub(crate) fn user_registers(self) -> u64 {
        // SAFETY: the task is the current one.
        unsafe { bpf_task_pt_regs(self.0) as u64 }
    }

    /// The thread's value in a task storage, if it has one.
    #[inline(always)]
    pub(crate) fn stored<T>(self, map: &TaskStorage<T>) -> Option<&'static mut T> {
        self.value(map, 0)
    }

    /// The thread's value in a task storage, made if there is none.
    #[inline(always)]
    pub(crate) fn storage<T>(self, map: &TaskStorage<T>) -> Option<&'static mut T> {
        self.value(map, u64::from(BPF_LOCAL_STORAGE_GET_F_CREATE))
    }

    #[inline(always)]
    fn value<T>(self, map: &TaskStorage<T>, flags: u64) -> Option<&'static mut T> {
        // SAFETY: the kernel gives null or a live value of the map's type, which only this thread
        // uses; nested programs of the same thread run to completion.
        unsafe {
            bpf_task_storage_get(map.as_ptr(), self.0, core::ptr::null_mut(), flags)
                .cast::<T>()
                .as_mut()
        }
    }

    /// # Safety
    /// A field of `struct task_struct` of this size lies at `offset`; the verifier makes sure.
    #[inline(always)]
    unsafe fn field<T: Copy>(self, offset: u32) -> T {
        // SAFETY: as required. Volatile: one load of just this size, which the verifier knows.
        unsafe {
            self.0
                .cast::<u8>()
                .add(offset as usize)
                .cast::<T>()
                .read_volatile()
        }
    }
}
