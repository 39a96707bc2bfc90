//! The kernel hooks that give evidence, and the set of them that a run had.

/// A kernel hook. The discriminant is its bit in [`Hooks`]; recordings have the name of the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Hook {
    PageFaultUser = 0,
    PageFaultKernel = 1,
    FaultsMinor = 2,
    FaultsMajor = 3,
    ProcessFree = 4,
    RssStat = 5,
    PageAlloc = 6,
    PageFree = 7,
    SignalGenerate = 8,
    SignalDeliver = 9,
    ProcessExit = 10,
    ProcessFork = 11,
    TaskRename = 12,
    SchedSwitch = 13,
    BioQueue = 14,
    CacheAdd = 15,
    FilemapFault = 16,
    MarkVictim = 17,
    EmulateVsyscall = 18,
    MigratePages = 19,
    DirectReclaimBegin = 20,
    DirectReclaimEnd = 21,
    MemcgReclaimBegin = 22,
    MemcgReclaimEnd = 23,
    NodeReclaimBegin = 24,
    NodeReclaimEnd = 25,
    ContentionBegin = 26,
    ContentionEnd = 27,
    MapPages = 28,
    CompactionBegin = 29,
    CompactionEnd = 30,
}

/// How a hook is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attach {
    /// A raw tracepoint; the event's category in tracefs is given.
    RawTracepoint { category: &'static str },
    /// A perf software event, on every CPU.
    Software,
}

/// What is known about a hook, once.
#[derive(Clone, Copy, Debug)]
pub struct HookInfo {
    /// The kernel's name of the event.
    pub name: &'static str,
    /// The eBPF program that attaches to it.
    pub program: &'static str,
    pub attach: Attach,
    /// Without a required hook nothing can be traced.
    pub required: bool,
    /// What the hook tells.
    pub gives: &'static str,
}

const fn raw(
    category: &'static str,
    name: &'static str,
    required: bool,
    gives: &'static str,
) -> HookInfo {
    HookInfo {
        name,
        program: name,
        attach: Attach::RawTracepoint { category },
        required,
        gives,
    }
}

/// One of several tracepoints that share a program.
const fn shared(
    category: &'static str,
    name: &'static str,
    program: &'static str,
    gives: &'static str,
) -> HookInfo {
    HookInfo {
        program,
        ..raw(category, name, false, gives)
    }
}

const fn reclaim(name: &'static str, program: &'static str) -> HookInfo {
    shared("vmscan", name, program, "reclaim inside the fault")
}

const fn software(name: &'static str, program: &'static str, gives: &'static str) -> HookInfo {
    HookInfo {
        name,
        program,
        attach: Attach::Software,
        required: true,
        gives,
    }
}

impl Hook {
    /// Every hook; the index is its bit.
    pub const ALL: [Self; 31] = [
        Self::PageFaultUser,
        Self::PageFaultKernel,
        Self::FaultsMinor,
        Self::FaultsMajor,
        Self::ProcessFree,
        Self::RssStat,
        Self::PageAlloc,
        Self::PageFree,
        Self::SignalGenerate,
        Self::SignalDeliver,
        Self::ProcessExit,
        Self::ProcessFork,
        Self::TaskRename,
        Self::SchedSwitch,
        Self::BioQueue,
        Self::CacheAdd,
        Self::FilemapFault,
        Self::MarkVictim,
        Self::EmulateVsyscall,
        Self::MigratePages,
        Self::DirectReclaimBegin,
        Self::DirectReclaimEnd,
        Self::MemcgReclaimBegin,
        Self::MemcgReclaimEnd,
        Self::NodeReclaimBegin,
        Self::NodeReclaimEnd,
        Self::ContentionBegin,
        Self::ContentionEnd,
        Self::MapPages,
        Self::CompactionBegin,
        Self::CompactionEnd,
    ];

    /// What is known about this hook.
    #[must_use]
    pub const fn info(self) -> HookInfo {
        match self {
            Self::PageFaultUser => raw("exceptions", "page_fault_user", true, "start, user mode"),
            Self::PageFaultKernel => raw(
                "exceptions",
                "page_fault_kernel",
                true,
                "start, kernel mode",
            ),
            Self::FaultsMinor => software("minor-faults", "minor_faults", "end, minor"),
            Self::FaultsMajor => software("major-faults", "major_faults", "end, major"),
            Self::ProcessFree => raw("sched", "sched_process_free", false, "a thread is gone"),
            Self::RssStat => raw("kmem", "rss_stat", false, "which resident counter moved"),
            Self::PageAlloc => raw("kmem", "mm_page_alloc", false, "a user page was allocated"),
            Self::PageFree => raw(
                "kmem",
                "mm_page_free",
                false,
                "the page was freed: a lost race",
            ),
            Self::SignalGenerate => raw("signal", "signal_generate", true, "a bad access"),
            Self::SignalDeliver => raw("signal", "signal_deliver", false, "an interrupted fault"),
            Self::ProcessExit => raw("sched", "sched_process_exit", true, "a thread's end"),
            Self::ProcessFork => raw("sched", "sched_process_fork", true, "children to follow"),
            Self::TaskRename => raw("task", "task_rename", false, "names over time"),
            Self::SchedSwitch => raw("sched", "sched_switch", false, "sleep inside a fault"),
            Self::BioQueue => raw("block", "block_bio_queue", false, "I/O issued by the fault"),
            Self::CacheAdd => raw(
                "filemap",
                "mm_filemap_add_to_page_cache",
                false,
                "a page read into the cache",
            ),
            Self::FilemapFault => raw(
                "filemap",
                "mm_filemap_fault",
                false,
                "the fault went through the page cache",
            ),
            Self::MarkVictim => raw("oom", "mark_victim", false, "an OOM victim"),
            Self::EmulateVsyscall => raw(
                "vsyscall",
                "emulate_vsyscall",
                false,
                "an emulated vsyscall",
            ),
            Self::MigratePages => raw(
                "migrate",
                "mm_migrate_pages_start",
                false,
                "pages moved to a closer NUMA node",
            ),
            Self::DirectReclaimBegin => reclaim("mm_vmscan_direct_reclaim_begin", "reclaim_begin"),
            Self::DirectReclaimEnd => reclaim("mm_vmscan_direct_reclaim_end", "reclaim_end"),
            Self::MemcgReclaimBegin => reclaim("mm_vmscan_memcg_reclaim_begin", "reclaim_begin"),
            Self::MemcgReclaimEnd => reclaim("mm_vmscan_memcg_reclaim_end", "reclaim_end"),
            Self::NodeReclaimBegin => reclaim("mm_vmscan_node_reclaim_begin", "reclaim_begin"),
            Self::NodeReclaimEnd => reclaim("mm_vmscan_node_reclaim_end", "reclaim_end"),
            Self::ContentionBegin => raw("lock", "contention_begin", false, "a wait for a lock"),
            Self::ContentionEnd => raw("lock", "contention_end", false, "the end of that wait"),
            Self::MapPages => raw(
                "filemap",
                "mm_filemap_map_pages",
                false,
                "how many pages fault-around may have mapped",
            ),
            Self::CompactionBegin => raw(
                "compaction",
                "mm_compaction_begin",
                false,
                "compaction inside the fault",
            ),
            Self::CompactionEnd => raw(
                "compaction",
                "mm_compaction_end",
                false,
                "the end of that compaction",
            ),
        }
    }
}

/// A set of hooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Hooks(pub u32);

impl Hooks {
    /// Every hook there is.
    pub const ALL: Self = Self((1 << Hook::ALL.len()) - 1);

    /// The required hooks and those that tell what became of the page; not those of sleep, I/O, locks
    /// and reclaim.
    pub const CORE: Self = Self((1 << (Hook::TaskRename as u8 + 1)) - 1);

    #[inline(always)]
    #[must_use]
    pub const fn has(self, hook: Hook) -> bool {
        self.0 & (1 << hook as u8) != 0
    }

    #[must_use]
    pub const fn with(self, hook: Hook) -> Self {
        Self(self.0 | 1 << hook as u8)
    }

    #[must_use]
    pub const fn without(self, hook: Hook) -> Self {
        Self(self.0 & !(1 << hook as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_required_hook_is_in_the_core() {
        let required = Hook::ALL.into_iter().filter(|hook| hook.info().required);
        for hook in required.chain([Hook::RssStat, Hook::PageAlloc, Hook::PageFree]) {
            assert!(Hooks::CORE.has(hook), "{hook:?}");
        }
        assert!(!Hooks::CORE.has(Hook::SchedSwitch));
    }

    #[test]
    fn the_index_is_the_bit() {
        for (index, hook) in Hook::ALL.into_iter().enumerate() {
            assert_eq!(hook as usize, index);
        }
    }
}
