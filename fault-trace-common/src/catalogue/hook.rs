//! The kernel hooks that give evidence, and the set of them that a run had.

use super::kernel::Version;

/// Way in which a hook is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attach {
    /// A raw tracepoint; the event's category in tracefs is given.
    RawTracepoint { category: &'static str },
    /// A perf software event, on every CPU.
    Software,
}

/// Entry of the table of hooks.
#[derive(Clone, Copy, Debug)]
pub struct HookInfo {
    /// The kernel's name of the event.
    pub name: &'static str,
    /// The eBPF program that attaches to it.
    pub program: &'static str,
    pub attach: Attach,
    /// Without a required hook nothing can be traced.
    pub required: bool,
    /// Membership of [`Hooks::CORE`].
    pub core: bool,
    /// The first kernel that has it, where that is not the oldest supported one.
    pub since: Option<Version>,
    /// The first kernel where it does not mislead, and how it does before.
    pub usable_since: Option<(Version, &'static str)>,
    /// The facts that the hook shows, for people.
    pub gives: &'static str,
}

impl HookInfo {
    /// Returns the first kernel where it tells of single faults, if that is not the oldest supported one.
    #[must_use]
    pub fn told_since(&self) -> Option<Version> {
        self.since
            .max(self.usable_since.map(|(version, _)| version))
    }
}

/// The columns of the table beside name and meaning.
#[derive(Clone, Copy)]
struct Row {
    attach: Attach,
    program: Option<&'static str>,
    required: bool,
    core: bool,
    since: Option<Version>,
    usable_since: Option<(Version, &'static str)>,
}

/// A tracepoint of this category.
const fn raw(category: &'static str) -> Row {
    Row {
        attach: Attach::RawTracepoint { category },
        program: None,
        required: false,
        core: false,
        since: None,
        usable_since: None,
    }
}

/// A software event, without which nothing can be traced.
const fn software(program: &'static str) -> Row {
    Row {
        attach: Attach::Software,
        ..raw("").required().program(program)
    }
}

impl Row {
    /// Nothing can be traced without it.
    const fn required(self) -> Self {
        Self {
            required: true,
            ..self.core()
        }
    }

    /// It tells what became of the page, and is never left out for speed.
    const fn core(self) -> Self {
        Self { core: true, ..self }
    }

    /// The program has another name than the event: several events share it.
    const fn program(self, program: &'static str) -> Self {
        Self {
            program: Some(program),
            ..self
        }
    }

    const fn since(self, version: Version) -> Self {
        Self {
            since: Some(version),
            ..self
        }
    }

    const fn usable_since(self, version: Version, before: &'static str) -> Self {
        Self {
            usable_since: Some((version, before)),
            ..self
        }
    }
}

macro_rules! hooks {
    ($($Variant:ident $name:literal $gives:literal $row:expr,)+) => {
        named! {
            /// A kernel hook. Recordings have the name of the event.
            pub enum Hook: u8, "the name of a kernel event" {
                $($Variant $name $gives,)+
            }
        }

        impl Hook {
            /// Returns what is known about this hook.
            #[must_use]
            pub const fn info(self) -> &'static HookInfo {
                match self {
                    $(Self::$Variant => const {
                        let row: Row = $row;
                        &HookInfo {
                            name: $name,
                            program: match row.program {
                                Some(program) => program,
                                None => $name,
                            },
                            attach: row.attach,
                            required: row.required,
                            core: row.core,
                            since: row.since,
                            usable_since: row.usable_since,
                            gives: $gives,
                        }
                    },)+
                }
            }
        }
    };
}

hooks! {
    PageFaultUser "page_fault_user" "start, user mode" raw("exceptions").required(),
    PageFaultKernel "page_fault_kernel" "start, kernel mode" raw("exceptions").required(),
    FaultsMinor "minor-faults" "end, minor" software("minor_faults"),
    FaultsMajor "major-faults" "end, major" software("major_faults"),
    ProcessFree "sched_process_free" "a thread is gone" raw("sched").core(),
    RssStat "rss_stat" "which resident counter moved" raw("kmem").core()
        .usable_since(Version::RSS_STAT_UNBATCHED, "reports in batches"),
    PageAlloc "mm_page_alloc" "a user page was allocated" raw("kmem").core(),
    PageFree "mm_page_free" "the page was freed: a lost race" raw("kmem").core(),
    SignalGenerate "signal_generate" "a bad access" raw("signal").required(),
    SignalDeliver "signal_deliver" "an interrupted fault" raw("signal").core(),
    ProcessExit "sched_process_exit" "a thread's end" raw("sched").required(),
    ProcessFork "sched_process_fork" "children to follow" raw("sched").required(),
    TaskRename "task_rename" "names over time" raw("task").core(),
    SchedSwitch "sched_switch" "sleep inside a fault" raw("sched"),
    BioQueue "block_bio_queue" "I/O issued by the fault" raw("block"),
    CacheAdd "mm_filemap_add_to_page_cache" "a page read into the cache" raw("filemap"),
    FilemapFault "mm_filemap_fault" "the fault went through the page cache"
        raw("filemap").since(Version::FILEMAP_FAULT),
    MarkVictim "mark_victim" "an OOM victim" raw("oom"),
    EmulateVsyscall "emulate_vsyscall" "an emulated vsyscall" raw("vsyscall"),
    MigratePages "mm_migrate_pages_start" "pages moved to a closer NUMA node" raw("migrate"),
    DirectReclaimBegin "mm_vmscan_direct_reclaim_begin" "reclaim inside the fault" raw("vmscan").program("reclaim_begin"),
    DirectReclaimEnd "mm_vmscan_direct_reclaim_end" "reclaim inside the fault" raw("vmscan").program("reclaim_end"),
    MemcgReclaimBegin "mm_vmscan_memcg_reclaim_begin" "reclaim inside the fault" raw("vmscan").program("reclaim_begin"),
    MemcgReclaimEnd "mm_vmscan_memcg_reclaim_end" "reclaim inside the fault" raw("vmscan").program("reclaim_end"),
    NodeReclaimBegin "mm_vmscan_node_reclaim_begin" "reclaim inside the fault" raw("vmscan").program("reclaim_begin"),
    NodeReclaimEnd "mm_vmscan_node_reclaim_end" "reclaim inside the fault" raw("vmscan").program("reclaim_end"),
    ContentionBegin "contention_begin" "a wait for a lock" raw("lock").since(Version::CONTENTION),
    ContentionEnd "contention_end" "the end of that wait" raw("lock").since(Version::CONTENTION),
    MapPages "mm_filemap_map_pages" "how many pages fault-around may have mapped"
        raw("filemap").since(Version::FILEMAP_FAULT),
    CompactionBegin "mm_compaction_begin" "compaction inside the fault" raw("compaction"),
    CompactionEnd "mm_compaction_end" "the end of that compaction" raw("compaction"),
}

const WORDS: usize = 3;

/// A set of hooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(transparent)]
pub struct Hooks([u64; WORDS]);

impl Hooks {
    /// Number of hooks that a set can hold.
    pub const CAPACITY: usize = WORDS * u64::BITS as usize;

    /// No hook.
    pub const NONE: Self = Self([0; WORDS]);

    /// Every hook there is.
    pub const ALL: Self = Self::chosen(false);

    /// The required hooks and those that tell what became of the page; not those of sleep, I/O, locks
    /// and reclaim.
    pub const CORE: Self = Self::chosen(true);

    /// All hooks, or those of the core.
    const fn chosen(only_core: bool) -> Self {
        let mut hooks = Self::NONE;
        let mut index = 0;
        while index < Hook::COUNT {
            let hook = Hook::ALL[index];
            if !only_core || hook.info().core {
                hooks = hooks.with(hook);
            }
            index += 1;
        }
        hooks
    }

    /// The word of a number, and its bit there.
    #[inline(always)]
    const fn place(number: usize) -> (usize, u64) {
        (
            number / u64::BITS as usize,
            1 << (number % u64::BITS as usize),
        )
    }

    #[inline(always)]
    #[must_use]
    pub const fn has(self, hook: Hook) -> bool {
        let (word, bit) = Self::place(hook as usize);
        self.0[word] & bit != 0
    }

    #[must_use]
    pub const fn with(mut self, hook: Hook) -> Self {
        let (word, bit) = Self::place(hook as usize);
        self.0[word] |= bit;
        self
    }

    #[must_use]
    pub const fn without(mut self, hook: Hook) -> Self {
        let (word, bit) = Self::place(hook as usize);
        self.0[word] &= !bit;
        self
    }

    /// Returns the hooks that both sets hold.
    #[must_use]
    pub const fn and(mut self, other: Self) -> Self {
        let mut word = 0;
        while word < WORDS {
            self.0[word] &= other.0[word];
            word += 1;
        }
        self
    }

    /// Returns the hooks of the set that do not mislead on a kernel of this version.
    #[must_use]
    pub fn usable_on(self, kernel: Version) -> Self {
        let misleads = |hook: &Hook| {
            let since = hook.info().usable_since;
            since.is_some_and(|(version, _)| kernel < version)
        };
        self.iter().filter(misleads).fold(self, Self::without)
    }

    /// Returns the hooks of the set, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Hook> {
        Hook::ALL.into_iter().filter(move |&hook| self.has(hook))
    }
}

impl FromIterator<Hook> for Hooks {
    fn from_iter<I: IntoIterator<Item = Hook>>(hooks: I) -> Self {
        hooks.into_iter().fold(Self::NONE, Self::with)
    }
}

/// A list of the kernel's names of the events, so that a later version can classify anew.
#[cfg(feature = "user")]
impl serde::Serialize for Hooks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// Names that a newer version added are passed over.
#[cfg(feature = "user")]
impl<'de> serde::Deserialize<'de> for Hooks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> serde::de::Visitor<'de> for Names {
            type Value = Hooks;

            fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                formatter.write_str("a list of names of kernel events")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut names: A,
            ) -> Result<Hooks, A::Error> {
                let mut hooks = Hooks::NONE;
                while let Some(Known(hook)) = names.next_element()? {
                    hooks = hook.map_or(hooks, |hook| hooks.with(hook));
                }
                Ok(hooks)
            }
        }
        deserializer.deserialize_seq(Names)
    }
}

/// A hook, or the name of one that is not known.
#[cfg(feature = "user")]
struct Known(Option<Hook>);

#[cfg(feature = "user")]
impl<'de> serde::Deserialize<'de> for Known {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl serde::de::Visitor<'_> for Name {
            type Value = Known;

            fn expecting(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                formatter.write_str("the name of a kernel event")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Known, E> {
                Ok(Known(Hook::from_name(name)))
            }
        }
        deserializer.deserialize_str(Name)
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
        assert_eq!(Hooks::ALL.iter().count(), Hook::COUNT);
    }

    #[test]
    fn there_is_room_for_128_hooks_more_each_with_a_bit_of_its_own() {
        const { assert!(Hook::COUNT + 128 <= Hooks::CAPACITY) };
        let mut seen = [0; WORDS];
        for number in 0..Hooks::CAPACITY {
            let (word, bit) = Hooks::place(number);
            assert_eq!(bit.count_ones(), 1);
            assert_eq!(seen[word] & bit, 0, "{number}");
            seen[word] |= bit;
        }
        assert_eq!(seen, [u64::MAX; WORDS]);
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_not_taken_out() {
        for hook in Hook::ALL {
            let only = Hooks::NONE.with(hook);
            assert!(only.has(hook));
            assert!(only.iter().eq([hook]));
            assert_eq!(only.without(hook), Hooks::NONE);
            assert_eq!(Hooks::ALL.without(hook).and(only), Hooks::NONE);
            assert_eq!(Hooks::ALL.and(only), only);
        }
        assert_eq!(Hooks::ALL.iter().collect::<Hooks>(), Hooks::ALL);
    }

    #[test]
    fn batched_counters_are_not_used() {
        assert_eq!(
            Hooks::ALL.usable_on(Version::OLDEST),
            Hooks::ALL.without(Hook::RssStat)
        );
        assert_eq!(
            Hooks::ALL.usable_on(Version::RSS_STAT_UNBATCHED),
            Hooks::ALL
        );
    }
}
