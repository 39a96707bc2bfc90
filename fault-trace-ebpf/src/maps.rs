//! The maps: what the programs share with each other and with user space.

use core::{ffi::c_void, marker::PhantomData};

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, bpf_map_type},
    macros::{btf_map, map},
    maps::{Array, HashMap, PerCpuArray, RingBuf, Stack},
};
use fault_trace_common::{
    Class, Counter,
    ledger::FaultCounters,
    wire::{
        ClassStats, ProcessStats, StackRecord, TARGET_HINTS_LEN, TASKS_LEN, TaskEntry, TaskState,
        ThreadStats,
    },
};

/// Bound: live threads that are counted apart.
pub(crate) const THREAD_SLOTS: u32 = 1 << 16;
/// Bound: processes of a run that are counted apart.
const PROCESSES_MAX: u32 = 1 << 16;
/// Bound: processes or threads that are targets at the same time.
const TARGETS_MAX: u32 = 1 << 16;

/// Bound: threads off the CPU in a fault at the same time.
const AWAY_MAX: u32 = 1 << 14;
/// Bound: threads whose counters are known from when counting began.
const BEFORE_MAX: u32 = 1 << 15;
/// Bound: different stacks that are sent once.
const STACKS_MAX: u32 = 1 << 16;

/// A task storage map, which aya-ebpf has no wrapper for: the same layout as its BTF maps.
#[repr(C)]
pub(crate) struct TaskStorage<T> {
    r#type: *const [i32; bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
    _value: PhantomData<T>,
}

// SAFETY: only a definition for the loader; its pointers are never followed.
unsafe impl<T> Sync for TaskStorage<T> {}

impl<T> TaskStorage<T> {
    const fn new() -> Self {
        Self {
            r#type: core::ptr::null(),
            key: core::ptr::null(),
            value: core::ptr::null(),
            max_entries: core::ptr::null(),
            map_flags: core::ptr::null(),
            _value: PhantomData,
        }
    }

    pub(crate) const fn as_ptr(&self) -> *mut c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// Index 0: not 0 while every hook is attached: then, a moment since when threads were counted, ns of
/// CLOCK_MONOTONIC. A thread that is counted earlier would miss faults, and pages that are allocated later
/// would seem to be allocated without a fault.
#[map]
static COUNTING: Array<u64> = Array::with_max_entries(1, 0);

/// Since when threads are counted, ns; 0 if they are not.
#[inline(always)]
pub(crate) fn counting_since() -> u64 {
    COUNTING
        .get_ptr(0)
        // SAFETY: a live, aligned map value.
        .map_or(0, |since| unsafe { since.read_volatile() })
}

/// Whether threads are counted already.
#[inline(always)]
pub(crate) fn is_counting() -> bool {
    counting_since() != 0
}

/// By thread id: the kernel's fault counters of threads that were there when counting began.
#[map]
pub(crate) static BEFORE: HashMap<u32, FaultCounters> =
    HashMap::with_max_entries(BEFORE_MAX, BPF_F_NO_PREALLOC);

/// The state of each thread that has faulted. Exact across sleep and migration. An array, since the
/// verifier turns its look-up into a few instructions, and a look in task storage takes several calls.
#[map]
pub(crate) static TASKS: Array<TaskEntry> = Array::with_max_entries(TASKS_LEN, 0);

/// The states of threads whose entry in `TASKS` is another's.
#[btf_map]
pub(crate) static TASKS_BESIDE: TaskStorage<TaskState> = TaskStorage::new();

/// Live threads by slot. Slot 0 is shared by those that found no other.
#[map]
pub(crate) static THREADS: Array<ThreadStats> = Array::with_max_entries(THREAD_SLOTS, 0);

/// Index 0: the first slot of `THREADS` never used so far.
#[map]
pub(crate) static NEXT_SLOT: Array<u64> = Array::with_max_entries(1, 0);

/// Slots of threads that exited.
#[map]
pub(crate) static FREE_SLOTS: Stack<u32> = Stack::with_max_entries(THREAD_SLOTS, 0);

/// What exited threads had counted, by process. Key 0: processes beyond the bound.
#[map]
pub(crate) static PROCESSES: HashMap<u32, ProcessStats> =
    HashMap::with_max_entries(PROCESSES_MAX, 0);

/// Totals by class.
#[map]
pub(crate) static CLASSES: PerCpuArray<ClassStats> =
    PerCpuArray::with_max_entries(Class::COUNT as u32, 0);

/// Anomalies and losses, by [`Counter`].
#[map]
pub(crate) static COUNTERS: PerCpuArray<u64> =
    PerCpuArray::with_max_entries(Counter::ALL.len() as u32, 0);

/// Target processes or threads, and how many live threads each has.
#[map]
pub(crate) static TARGETS: HashMap<u32, u64> = HashMap::with_max_entries(TARGETS_MAX, 0);

/// 1 where a process or thread with such an id has been a target in this run, by the low bits of the
/// id. A look here spares nearly all threads the slower one in `TARGETS`.
#[map]
static TARGET_HINTS: Array<u64> = Array::with_max_entries(TARGET_HINTS_LEN, 0);

/// Notes that `id` is about to become a target.
#[inline(always)]
pub(crate) fn hint_target(id: u32) {
    if let Some(hint) = TARGET_HINTS.get_ptr_mut(id % TARGET_HINTS_LEN) {
        // SAFETY: a live, aligned map value; nothing but 1 is ever written.
        unsafe { hint.write_volatile(1) };
    }
}

/// Whether `id` may be a target; `false` is certain.
#[inline(always)]
pub(crate) fn may_be_target(id: u32) -> bool {
    TARGET_HINTS
        .get_ptr(id % TARGET_HINTS_LEN)
        // SAFETY: a live, aligned map value.
        .is_some_and(|hint| unsafe { hint.read_volatile() } != 0)
}

/// Threads that left the CPU in a fault, by `struct task_struct *`: when they came back, ns; 0 while
/// they have not.
#[map]
pub(crate) static AWAY: HashMap<u64, u64> = HashMap::with_max_entries(AWAY_MAX, 0);

/// Index 0: the entries of `AWAY`.
#[map]
pub(crate) static AWAY_COUNT: Array<u64> = Array::with_max_entries(1, 0);

/// Processes chosen by the OOM killer.
#[map]
pub(crate) static OOM_VICTIMS: HashMap<u32, u8> = HashMap::with_max_entries(1024, 0);

/// The stack that a thread is reading. Only used where stacks are taken.
#[btf_map]
pub(crate) static STACK: TaskStorage<StackRecord> = TaskStorage::new();

/// The ids of the stacks that were sent.
#[map]
pub(crate) static STACKS_SENT: HashMap<u64, u8> = HashMap::with_max_entries(STACKS_MAX, 0);

/// Raw events. User space sets the size.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 24, 0);

/// Counts an anomaly. Atomic: raw tracepoints may be preempted.
#[inline(always)]
pub(crate) fn count(counter: Counter) {
    if let Some(value) = COUNTERS.get_ptr_mut(counter as u32) {
        add_shared(value, 1);
    }
}

/// Adds to a value that others write to, too.
#[inline(always)]
pub(crate) fn add_shared(value: *mut u64, amount: u64) {
    // core has no atomic read-modify-write for the BPF target.
    // SAFETY: a live, aligned map value.
    unsafe {
        core::arch::asm!(
            "lock *(u64 *)({value} + 0) += {amount}",
            value = in(reg) value,
            amount = in(reg) amount,
            options(nostack),
        );
    }
}

/// Adds to a value that others write to, too, and returns what it was before (Linux 5.12).
#[inline(always)]
pub(crate) fn fetch_add_shared(value: *mut u64, amount: u64) -> u64 {
    let mut amount = amount;
    // SAFETY: a live, aligned map value.
    unsafe {
        core::arch::asm!(
            "{amount} = atomic_fetch_add((u64 *)({value} + 0), {amount})",
            value = in(reg) value,
            amount = inout(reg) amount,
            options(nostack),
        );
    }
    amount
}

/// Writes `new` if the value is 0; whether it was.
#[inline(always)]
pub(crate) fn claim(value: *mut u64, new: u64) -> bool {
    let mut old = 0_u64;
    // SAFETY: a live, aligned map value.
    unsafe {
        core::arch::asm!(
            "r0 = cmpxchg_64({value} + 0, r0, {new})",
            value = in(reg) value,
            new = in(reg) new,
            inout("r0") old,
            options(nostack),
        );
    }
    old == 0
}

/// Adds to a value; atomically, unless nobody else can write to it meanwhile.
#[inline(always)]
pub(crate) fn add(value: *mut u64, amount: u64, shared: bool) {
    if shared {
        add_shared(value, amount);
    } else {
        // SAFETY: a live, aligned map value with this one writer.
        unsafe { *value = (*value).wrapping_add(amount) };
    }
}
