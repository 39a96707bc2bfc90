//! From the name, device and flags that the kernel gives to what a mapping is.

use std::{collections::HashSet, sync::Arc};

use super::{Backing, Device, Devices, Kind};

/// What the kernel tells of a mapping's backing, in `PERF_RECORD_MMAP2` or a line of /proc/PID/maps.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub name: &'a [u8],
    pub device: Device,
    pub inode: u64,
    pub shared: bool,
    /// `MAP_HUGETLB` among the flags; only `PERF_RECORD_MMAP2` has it.
    pub hugetlb: bool,
}

const DELETED: &[u8] = b" (deleted)";

impl Source<'_> {
    /// What this is.
    #[must_use]
    pub fn kind(&self, devices: &Devices, names: &mut Names) -> Kind {
        let backing = |names: &mut Names| self.backing(names);
        if self.is_hugetlb(devices) {
            return Kind::Hugetlb(backing(names));
        }
        match self.name {
            b"" | b"//anon" => Kind::Anonymous,
            b"[heap]" => Kind::Heap,
            b"[stack]" => Kind::Stack,
            // Private, its pages are anonymous memory (`mmap_zero`, drivers/char/mem.c).
            b"/dev/zero" if !self.shared => Kind::Anonymous,
            name if self.is_shared_memory(devices) => {
                let mut backing = backing(names);
                if let Some(given) = inside(name, b"[anon_shmem:") {
                    backing.path = names.get(given);
                }
                Kind::SharedMemory(backing)
            }
            name if name.starts_with(b"[") => match inside(name, b"[anon:") {
                Some(given) => Kind::Named(names.get(given)),
                None => Kind::Special(names.get(name)),
            },
            // `anon_inode:[…]`, `dmabuf:…`, `socket:[…]`; files of drivers.
            name if !name.starts_with(b"/") || name.starts_with(b"/dev/") => {
                Kind::Device(backing(names))
            }
            _ => Kind::File(backing(names)),
        }
    }

    fn is_hugetlb(&self, devices: &Devices) -> bool {
        self.hugetlb
            || self.name.starts_with(b"/anon_hugepage")
            || self.inode != 0 && devices.hugetlb.contains(&self.device)
    }

    /// tmpfs, by its device or by the names the kernel gives its own files (mm/shmem.c, ipc/shm.c).
    fn is_shared_memory(&self, devices: &Devices) -> bool {
        const OWN: [&[u8]; 5] = [
            b"/memfd:",
            b"/SYSV",
            b"/dev/shm/",
            b"/dev/zero",
            b"[anon_shmem:",
        ];
        devices.shared_memory.contains(&self.device)
            || OWN.into_iter().any(|prefix| self.name.starts_with(prefix))
    }

    fn backing(&self, names: &mut Names) -> Backing {
        let path = self.name.strip_suffix(DELETED);
        Backing {
            path: names.get(path.unwrap_or(self.name)),
            device: self.device,
            inode: self.inode,
            deleted: path.is_some(),
        }
    }
}

/// `name` of `[prefix:name]`.
fn inside<'a>(name: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    name.strip_prefix(prefix)?.strip_suffix(b"]")
}

/// Keeps one copy of each name, since a file is often mapped many times.
#[derive(Debug, Default)]
pub struct Names(HashSet<Arc<[u8]>>);

impl Names {
    /// The table starts anew beyond so many names; names in use live on.
    const MAX: usize = 1 << 14;

    /// The one copy of `name`.
    pub fn get(&mut self, name: &[u8]) -> Arc<[u8]> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        if self.0.len() >= Self::MAX {
            self.0.clear();
        }
        let name: Arc<[u8]> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}
