//! The files and processes whose code was seen, held on to until their symbols are wanted.

use std::{
    collections::{HashMap, hash_map},
    fs::File,
    path::PathBuf,
};

use super::{
    jit::{JitProcess, default_tmp},
    module::Module,
};
use crate::{
    host::proc::Proc,
    model::{
        code::{CodeFile, CodePlace, FIRST_KERNEL_ADDRESS, Unresolved},
        mapping::{Backing, Device, Kind, Mapping},
    },
};

/// What happened to the files and processes whose code was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ModuleCounts {
    /// Distinct files.
    pub files: u64,
    /// Of these, could not be opened by any process that had them mapped.
    pub unopened: u64,
    /// Of these, opened and identified, then closed again: [`Limits::held`] were open. They are found
    /// by path and build id later, if they still exist.
    pub released: u64,
    /// Addresses in files beyond [`Limits::files`]; they stay unknown.
    pub overflowed: u64,
    /// Processes with code of their own.
    pub jit_processes: u64,
    /// Addresses of processes beyond [`Limits::jit_processes`].
    pub jit_overflowed: u64,
}

/// The bounds: what is beyond them is counted in [`ModuleCounts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Files known.
    pub files: usize,
    /// Files kept open: each is a file descriptor.
    pub held: usize,
    /// Processes with code of their own; each is a file descriptor, too.
    pub jit_processes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 1 << 14,
            held: 512,
            jit_processes: 256,
        }
    }
}

/// The files and processes whose code was seen.
#[derive(Debug)]
pub struct Modules {
    proc: Proc,
    tmp: PathBuf,
    limits: Limits,
    files: HashMap<(Device, u64), Module>,
    held: usize,
    jit: HashMap<u32, JitProcess>,
    overflowed: u64,
    jit_overflowed: u64,
}

/// A process that lives below has the 32-bit vdso, which is not ours.
const FIRST_64_BIT_ADDRESS: u64 = 1 << 32;

impl Modules {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(proc: Proc) -> Self {
        Self::with_limits(proc, default_tmp(), Limits::default())
    }

    /// With other bounds, and with `tmp` as the /tmp of this machine.
    #[must_use]
    pub fn with_limits(proc: Proc, tmp: PathBuf, limits: Limits) -> Self {
        Self {
            proc,
            tmp,
            limits,
            files: HashMap::new(),
            held: 0,
            jit: HashMap::new(),
            overflowed: 0,
            jit_overflowed: 0,
        }
    }

    /// Where the instruction at `address` of the process is, `mapping` being what was there then.
    /// The first time that a file is seen it is opened: some 20 µs; later it is a look-up.
    pub fn place(&mut self, pid: u32, address: u64, mapping: Option<&Mapping>) -> CodePlace {
        if address >= FIRST_KERNEL_ADDRESS {
            return CodePlace::Kernel { address };
        }
        let unknown = CodePlace::Unknown { address };
        let Some(mapping) = mapping.filter(|mapping| mapping.contains(address)) else {
            return unknown;
        };
        match &mapping.kind {
            Kind::Anonymous | Kind::Named(_) | Kind::Heap | Kind::Stack => {
                self.jit_place(pid, address)
            }
            Kind::File(backing) | Kind::Hugetlb(backing) | Kind::SharedMemory(backing) => {
                let compiled = matches!(mapping.kind, Kind::SharedMemory(_));
                match self.module(pid, mapping, backing) {
                    None => unknown,
                    // Runtimes map their code twice through a memfd; a program may run from one, too.
                    Some(module) if compiled && module.is_not_elf() => self.jit_place(pid, address),
                    Some(module) => {
                        module.place(mapping.offset_bytes.wrapping_add(address - mapping.start))
                    }
                }
            }
            Kind::Special(name) if **name == *b"[vdso]" && address >= FIRST_64_BIT_ADDRESS => {
                CodePlace::Vdso {
                    offset_bytes: address - mapping.start,
                }
            }
            Kind::Special(_) | Kind::Device(_) => unknown,
        }
    }

    /// To be called when the process exits: the last moment at which the list of its compiled
    /// functions is complete and surely there.
    pub fn process_exited(&mut self, pid: u32) {
        if let Some(process) = self.jit.get_mut(&pid) {
            process.exited(&self.proc, &self.tmp);
        }
    }

    #[must_use]
    pub fn counts(&self) -> ModuleCounts {
        let files = |which: fn(&Module) -> bool| {
            self.files.values().filter(|module| which(module)).count() as u64
        };
        ModuleCounts {
            files: files(|_| true),
            unopened: files(Module::is_unopened),
            released: files(Module::is_released),
            overflowed: self.overflowed,
            jit_processes: self.jit.len() as u64,
            jit_overflowed: self.jit_overflowed,
        }
    }

    /// The open file, when it is held.
    pub(super) fn file(&self, code: &CodeFile) -> Option<&File> {
        let module = self.files.get(&(code.device, code.inode))?;
        module.is(code).then(|| module.file())?
    }

    /// The list of functions that the process compiled.
    pub(super) fn perf_map(&self, pid: u32) -> Result<File, Unresolved> {
        self.jit
            .get(&pid)
            .ok_or(Unresolved::NoPerfMap)?
            .perf_map(&self.proc, &self.tmp)
    }

    fn jit_place(&mut self, pid: u32, address: u64) -> CodePlace {
        let known = self.jit.len();
        match self.jit.entry(pid) {
            hash_map::Entry::Occupied(mut process) => process.get_mut().seen(),
            hash_map::Entry::Vacant(vacant) if known < self.limits.jit_processes => {
                vacant.insert(JitProcess::new(&self.proc, pid));
            }
            hash_map::Entry::Vacant(_) => self.jit_overflowed += 1,
        }
        CodePlace::Jit { pid, address }
    }

    /// The file, opened if this is the first time. `None` when too many are known.
    fn module(&mut self, pid: u32, mapping: &Mapping, backing: &Backing) -> Option<&Module> {
        let key = (backing.device, backing.inode);
        let full = self.files.len() >= self.limits.files;
        let held = self.held;
        let module = match self.files.entry(key) {
            hash_map::Entry::Vacant(_) if full => {
                self.overflowed += 1;
                return None;
            }
            hash_map::Entry::Vacant(vacant) => vacant.insert(Module::new(backing)),
            hash_map::Entry::Occupied(known) => known.into_mut(),
        };
        if module.wants(pid, backing) {
            module.open(&self.proc, pid, mapping, backing);
            if held >= self.limits.held {
                module.release();
            }
            self.held += usize::from(module.file().is_some());
        }
        Some(module)
    }
}
