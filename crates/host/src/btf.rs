//! Where the kernel keeps what the eBPF programs read, and what it passes to them, from its own type
//! information.

mod prototypes;
mod types;

use std::{fs, path::Path};

pub use prototypes::{Difference, Prototypes};
use types::Types;

/// The kernel's type information.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Offsets of members of `task_struct`, bytes; `None` where unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TaskOffsets {
    pub pid: Option<u32>,
    pub tgid: Option<u32>,
    pub mm: Option<u32>,
    pub pagefault_disabled: Option<u32>,
    pub group_leader: Option<u32>,
    pub comm: Option<u32>,
    pub min_flt: Option<u32>,
    pub maj_flt: Option<u32>,
    pub cgroups: Option<u32>,
    pub start_time: Option<u32>,
}

/// Reads the BTF file at `path`, usually [`VMLINUX`]. Nothing is fatal: what cannot be read is unknown.
#[must_use]
pub fn read(path: &Path) -> (TaskOffsets, Prototypes) {
    fs::read(path).map_or_else(|_| Default::default(), |btf| parse(&btf))
}

/// Finds what is looked for in the bytes of a BTF file.
#[must_use]
pub fn parse(btf: &[u8]) -> (TaskOffsets, Prototypes) {
    Types::index(btf).map_or_else(Default::default, |types| {
        let offsets = TaskOffsets::find(&types).unwrap_or_default();
        (offsets, Prototypes::find(&types))
    })
}

impl TaskOffsets {
    /// The members that were not found and that nothing can be traced without.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        [
            ("pid", self.pid),
            ("tgid", self.tgid),
            ("mm", self.mm),
            ("pagefault_disabled", self.pagefault_disabled),
            ("group_leader", self.group_leader),
            ("comm", self.comm),
        ]
        .into_iter()
        .filter(|(_, offset)| offset.is_none())
        .map(|(member, _)| member)
        .collect()
    }

    fn find(types: &Types<'_>) -> Option<Self> {
        let task = types.structure(b"task_struct")?;
        let offset = |member: &[u8]| types.offset_bytes(task, member);
        Some(Self {
            pid: offset(b"pid"),
            tgid: offset(b"tgid"),
            mm: offset(b"mm"),
            pagefault_disabled: offset(b"pagefault_disabled"),
            group_leader: offset(b"group_leader"),
            comm: offset(b"comm"),
            min_flt: offset(b"min_flt"),
            maj_flt: offset(b"maj_flt"),
            cgroups: offset(b"cgroups"),
            start_time: offset(b"start_time"),
        })
    }
}

#[cfg(test)]
mod tests {
    use fault_trace_common::Hook;

    use super::*;

    const INT: u32 = 1;
    const STRUCT: u32 = 4;
    const UNION: u32 = 5;

    /// A type with `words` after its header (linux/btf.h, `struct btf_type`).
    fn entry(types: &mut Vec<u8>, name: u32, kind: u32, members: u32, words: &[u32]) {
        let size = 16;
        for word in [&[name, kind << 24 | members, size], words].concat() {
            types.extend(word.to_le_bytes());
        }
    }

    fn file(types: &[u8], strings: &[u8]) -> Vec<u8> {
        let lengths = [24, 0, types.len() as u32, types.len() as u32];
        let mut btf = vec![0x9f, 0xeb, 1, 0];
        btf.extend(lengths.iter().flat_map(|word: &u32| word.to_le_bytes()));
        btf.extend((strings.len() as u32).to_le_bytes());
        btf.extend(types);
        btf.extend(strings);
        btf
    }

    /// `struct task_struct { int pid; union { struct { int tgid; int min_flt; }; }; int bits:3; }`,
    /// where `maj_flt` is missing and the struct in the union lies at byte 8.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0task_struct\0pid\0tgid\0min_flt\0";
        let mut types = Vec::new();
        entry(&mut types, 1, INT, 0, &[32]);
        entry(&mut types, 0, STRUCT, 2, &[21, 1, 0, 26, 1, 32]);
        entry(&mut types, 0, UNION, 1, &[0, 2, 0]);
        entry(&mut types, 5, STRUCT, 2, &[17, 1, 32, 0, 3, 64]);
        file(&types, strings)
    }

    #[test]
    fn members_of_nested_anonymous_structs_are_found() {
        let expected = TaskOffsets {
            pid: Some(4),
            tgid: Some(8),
            mm: None,
            pagefault_disabled: None,
            group_leader: None,
            comm: None,
            min_flt: Some(12),
            maj_flt: None,
            cgroups: None,
            start_time: None,
        };
        assert_eq!(parse(&sample()).0, expected);
    }

    #[test]
    fn a_truncated_file_gives_nothing() {
        let btf = sample();
        for length in 0..btf.len() {
            assert_eq!(parse(&btf[..length]).0, TaskOffsets::default());
        }
    }

    #[test]
    fn a_missing_file_gives_nothing() {
        let (offsets, _) = read(Path::new("/nonexistent/vmlinux"));
        assert_eq!(offsets, TaskOffsets::default());
    }

    #[test]
    fn the_running_kernel_is_read() {
        let path = Path::new(VMLINUX);
        if !path.exists() {
            // The doctor tells whoever runs the tests.
            return;
        }
        let (offsets, prototypes) = read(path);
        let pid = offsets.pid.expect("pid");
        assert_eq!(offsets.tgid, Some(pid + 4));
        let min_flt = offsets.min_flt.expect("min_flt");
        assert_eq!(offsets.maj_flt, Some(min_flt + 8));
        for hook in Hook::ALL {
            assert_eq!(prototypes.difference(hook), None, "{hook:?}");
        }
        assert!(prototypes.passes(Hook::PageFaultUser, 2).is_some());
    }
}
