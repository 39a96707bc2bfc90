//! The arguments of raw tracepoints that the probes read: by name, and as the kernel declares them.
//!
//! A raw tracepoint has no format of its own: its arguments are those of the kernel's function prototype
//! (`TP_PROTO`), which may change. User space compares this table with the kernel's type information before
//! anything is attached.

use super::{hook::Hook, kernel::Version};

/// The type of an argument, as far as the probes rely on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// An integer, a truth value or a member of an enum.
    Number { bytes: u32 },
    /// A pointer to a struct of this name.
    Struct(&'static str),
    /// A pointer to text.
    Text,
}

impl core::fmt::Display for Type {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Number { bytes: 1 } => formatter.write_str("a number of 1 byte"),
            Self::Number { bytes } => write!(formatter, "a number of {bytes} bytes"),
            Self::Struct(name) => write!(formatter, "struct {name} *"),
            Self::Text => formatter.write_str("char *"),
        }
    }
}

const BOOL: &[Type] = &[Type::Number { bytes: 1 }];
const INT: &[Type] = &[Type::Number { bytes: 4 }];
const LONG: &[Type] = &[Type::Number { bytes: 8 }];
const TEXT: &[Type] = &[Type::Text];
const TASK: &[Type] = &[Type::Struct("task_struct")];
/// A task, and before that the id of its process.
const VICTIM: &[Type] = &[Type::Struct("task_struct"), Type::Number { bytes: 4 }];
const MM: &[Type] = &[Type::Struct("mm_struct")];
const PAGE: &[Type] = &[Type::Struct("page")];
const REGS: &[Type] = &[Type::Struct("pt_regs")];
const SIGINFO: &[Type] = &[Type::Struct("kernel_siginfo")];
const ADDRESS_SPACE: &[Type] = &[Type::Struct("address_space")];

/// An argument of a tracepoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Argument {
    /// Its name in the kernel.
    pub name: &'static str,
    /// Its place, counted from 0.
    pub index: usize,
    /// The types that the probe copes with.
    pub types: &'static [Type],
    /// The first kernel that passes it, where that is not the oldest supported one. The probe does without
    /// it where it is absent.
    pub since: Option<Version>,
}

macro_rules! tracepoints {
    ($($Hook:ident $name:ident($($argument:ident: $types:expr $(, since $since:ident)?);+);)+) => {
        $(
            #[doc = concat!("Places of the arguments of `", stringify!($name), "`.")]
            #[expect(non_camel_case_types, reason = "the kernel's names")]
            #[derive(Clone, Copy)]
            #[repr(usize)]
            pub enum $name {
                $(#[doc = concat!("The argument `", stringify!($argument), "`.")] $argument,)+
            }
        )+

        impl Hook {
            /// Returns the arguments of the raw tracepoint up to the last that its probe reads; none where
            /// it reads none.
            #[must_use]
            pub const fn arguments(self) -> &'static [Argument] {
                match self {
                    $(Self::$Hook => &[$(Argument {
                        name: stringify!($argument),
                        index: $name::$argument as usize,
                        types: $types,
                        since: tracepoints!(@since $($since)?),
                    }),+],)+
                    _ => &[],
                }
            }
        }

        #[cfg(test)]
        const NAMES: &[(Hook, &str)] = &[$((Hook::$Hook, stringify!($name))),+];
    };
    (@since) => { None };
    (@since $since:ident) => { Some(Version::$since) };
}

tracepoints! {
    PageFaultUser page_fault_user(address: LONG; regs: REGS; error_code: LONG);
    PageFaultKernel page_fault_kernel(address: LONG; regs: REGS; error_code: LONG);
    ProcessFree sched_process_free(p: TASK);
    RssStat rss_stat(mm: MM; member: INT);
    PageAlloc mm_page_alloc(page: PAGE; order: INT; gfp_flags: INT; migratetype: INT);
    PageFree mm_page_free(page: PAGE);
    SignalGenerate signal_generate(sig: INT; info: SIGINFO; task: TASK);
    SignalDeliver signal_deliver(sig: INT);
    ProcessFork sched_process_fork(parent: TASK; child: TASK);
    TaskRename task_rename(task: TASK; comm: TEXT);
    SchedSwitch sched_switch(preempt: BOOL; prev: TASK; next: TASK; prev_state: INT, since SWITCH_STATE);
    MarkVictim mark_victim(task: VICTIM);
    MigratePages mm_migrate_pages_start(mode: INT; reason: INT);
    MapPages mm_filemap_map_pages(mapping: ADDRESS_SPACE; index: LONG; last_index: LONG);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::Attach;

    #[test]
    fn arguments_are_those_of_raw_tracepoints_of_these_names_in_order() {
        for &(hook, name) in NAMES {
            assert_eq!(hook.info().name, name);
            assert!(matches!(hook.info().attach, Attach::RawTracepoint { .. }));
            let arguments = hook.arguments();
            assert!(!arguments.is_empty());
            for (place, argument) in arguments.iter().enumerate() {
                assert_eq!(argument.index, place, "{name}");
                assert!(!argument.types.is_empty(), "{name}");
            }
            // What is not passed everywhere comes last.
            assert!(arguments.is_sorted_by_key(|argument| argument.since));
        }
        let [.., state] = Hook::SchedSwitch.arguments() else {
            panic!("sched_switch has arguments");
        };
        assert_eq!((state.name, state.index), ("prev_state", 3));
        assert!(Hook::BioQueue.arguments().is_empty());
        // One probe reads both.
        let faults = [Hook::PageFaultUser, Hook::PageFaultKernel];
        let [user, kernel] = faults.map(|hook| hook.arguments().iter().map(|a| (a.name, a.types)));
        assert!(user.eq(kernel));
    }
}
