//! The files and processes whose code was seen.

use std::collections::{HashMap, hash_map};

use super::{
    super::protocol::{FileId, Order, Outcome, Source},
    Service,
    module::Module,
};
use fault_trace_model::{
    code::{CodePlace, CodeSpot, FIRST_KERNEL_ADDRESS},
    mapping::{Backing, Device, Kind, Mapping},
};

/// What happened to the files and processes whose code was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ModuleCounts {
    /// Distinct files.
    pub files: u64,
    /// Of these, could not be opened by any process that had them mapped.
    pub unopened: u64,
    /// Of these, opened and identified, then closed again: too many were open. They are found by path
    /// and build id later, if they still exist.
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
    /// Processes with code of their own.
    pub jit_processes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            files: 1 << 14,
            jit_processes: 256,
        }
    }
}

/// The files and processes whose code was seen. Nothing here reads a file: the first sight of one is
/// told to the opener, and what it is comes later.
#[derive(Debug, Default)]
pub(in super::super) struct Modules {
    limits: Limits,
    /// By number, which counts from 1.
    known: Vec<Module>,
    files: HashMap<(Device, u64), FileId>,
    /// Whether they have exited.
    jit: HashMap<u32, bool>,
    overflowed: u64,
    jit_overflowed: u64,
}

/// A process that lives below has the 32-bit vdso, which is not ours.
const FIRST_64_BIT_ADDRESS: u64 = 1 << 32;

impl Modules {
    /// With other bounds.
    pub(super) fn with_limits(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Where the instruction at `address` of the process is, `mapping` being what was there then.
    pub(super) fn spot(
        &mut self,
        pid: u32,
        address: u64,
        mapping: Option<&Mapping>,
        service: &mut Service,
    ) -> CodeSpot {
        if address >= FIRST_KERNEL_ADDRESS {
            return CodeSpot::Place(CodePlace::Kernel { address });
        }
        let unknown = CodeSpot::Place(CodePlace::Unknown { address });
        let Some(mapping) = mapping.filter(|mapping| mapping.contains(address)) else {
            return unknown;
        };
        match &mapping.kind {
            Kind::Anonymous | Kind::Named(_) | Kind::Heap | Kind::Stack => {
                CodeSpot::Place(self.compiled(pid, address, service))
            }
            Kind::File(_) | Kind::Hugetlb(_) | Kind::SharedMemory(_) => {
                let offset_bytes = mapping.offset_bytes.wrapping_add(address - mapping.start);
                // Runtimes map their code twice through a memfd; a program may run from one, too.
                let may_be_compiled = matches!(mapping.kind, Kind::SharedMemory(_));
                match self.file(pid, mapping, service) {
                    None => unknown,
                    Some(file) if may_be_compiled && !self.is_program(file) => {
                        let compiled = self.compiled(pid, address, service);
                        if self.is_asked(file) {
                            CodeSpot::Shared {
                                file,
                                offset_bytes,
                                pid,
                                address,
                            }
                        } else {
                            CodeSpot::Place(compiled)
                        }
                    }
                    Some(file) => CodeSpot::File { file, offset_bytes },
                }
            }
            Kind::Special(name) if **name == *b"[vdso]" && address >= FIRST_64_BIT_ADDRESS => {
                CodeSpot::Place(CodePlace::Vdso {
                    offset_bytes: address - mapping.start,
                })
            }
            Kind::Special(_) | Kind::Device(_) => unknown,
        }
    }

    /// The place of a spot, once its file was looked into or given up; the file to wait for else.
    pub(super) fn place(&self, spot: &CodeSpot) -> Result<CodePlace, FileId> {
        let identified = |file: FileId| {
            let module = self.module(file);
            module.filter(|module| !module.is_asked()).ok_or(file)
        };
        match spot {
            CodeSpot::Place(place) => Ok(place.clone()),
            CodeSpot::File { file, offset_bytes } => Ok(identified(*file)?.place(*offset_bytes)),
            CodeSpot::Shared {
                file,
                offset_bytes,
                pid,
                address,
            } => {
                let module = identified(*file)?;
                Ok(if module.is_not_elf() {
                    CodePlace::Jit {
                        pid: *pid,
                        address: *address,
                    }
                } else {
                    module.place(*offset_bytes)
                })
            }
        }
    }

    /// The path of a file, as its process named it.
    pub(super) fn path(&self, file: FileId) -> &[u8] {
        self.module(file).map_or(&[], |module| &module.code().path)
    }

    /// Who names the places of a file.
    pub(super) fn source(&self, file: FileId) -> Source {
        let module = self.module(file);
        let code = module.map(Module::code);
        Source::File {
            id: module.filter(|module| module.is_held()).map(|_| file),
            path: code.map_or(Vec::new(), |code| code.path.to_vec()),
            build_id: code.and_then(|code| Some(code.build_id.as_ref()?.bytes().to_vec())),
        }
    }

    /// The process exited: the last moment at which the list of its compiled functions is complete and
    /// surely there.
    pub(super) fn process_exited(&mut self, pid: u32, service: &mut Service) {
        if let Some(exited) = self.jit.get_mut(&pid)
            && !std::mem::replace(exited, true)
        {
            service.order(&Order::Exited { pid }, &[]);
        }
    }

    /// What became of the opening of a file.
    pub(super) fn identified(&mut self, file: FileId, outcome: Outcome) {
        if let Some(module) = self.module_mut(file) {
            module.identified(outcome);
        }
    }

    /// Gives up waiting for files; those given up.
    pub(super) fn give_up(&mut self) -> Vec<FileId> {
        let asked: Vec<FileId> = (1..)
            .zip(&self.known)
            .filter(|(_, module)| module.is_asked())
            .map(|(file, _)| file)
            .collect();
        self.known.iter_mut().for_each(Module::give_up);
        asked
    }

    pub(super) fn counts(&self) -> ModuleCounts {
        let files = |which: fn(&Module) -> bool| {
            let known = self.files.values().filter_map(|file| self.module(*file));
            known.filter(|module| which(module)).count() as u64
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

    /// The file behind a mapping, told to the opener if it is new. `None` if it has none, or too many
    /// are known.
    pub(super) fn file(
        &mut self,
        pid: u32,
        mapping: &Mapping,
        service: &mut Service,
    ) -> Option<FileId> {
        let backing = match &mapping.kind {
            Kind::File(backing) | Kind::Hugetlb(backing) | Kind::SharedMemory(backing) => backing,
            _ => return None,
        };
        let key = (backing.device, backing.inode);
        let known = self.files.get(&key).copied();
        let before = known.and_then(|file| self.module(file));
        if known.is_some() && before.is_some_and(|before| !before.wants(pid, backing)) {
            return known;
        }
        if self.known.len() >= self.limits.files {
            self.overflowed += u64::from(known.is_none());
            return known;
        }
        let module = Module::new(backing, pid, before);
        self.known.push(module);
        let file = FileId::try_from(self.known.len()).ok()?;
        self.files.insert(key, file);
        service.order(&open(file, pid, mapping, backing), &[]);
        Some(file)
    }

    fn compiled(&mut self, pid: u32, address: u64, service: &mut Service) -> CodePlace {
        let known = self.jit.len();
        let is_new = match self.jit.entry(pid) {
            // Another process has the pid now.
            hash_map::Entry::Occupied(mut exited) => exited.insert(false),
            hash_map::Entry::Vacant(vacant) if known < self.limits.jit_processes => {
                vacant.insert(false);
                true
            }
            hash_map::Entry::Vacant(_) => {
                self.jit_overflowed += 1;
                false
            }
        };
        if is_new {
            service.order(&Order::Compiled { pid }, &[]);
        }
        CodePlace::Jit { pid, address }
    }

    /// Whether the file is known to be one.
    fn is_program(&self, file: FileId) -> bool {
        let module = self.module(file);
        module.is_some_and(|module| !module.is_asked() && !module.is_not_elf())
    }

    fn is_asked(&self, file: FileId) -> bool {
        self.module(file).is_some_and(Module::is_asked)
    }

    fn module(&self, file: FileId) -> Option<&Module> {
        self.known.get(usize::try_from(file).ok()?.checked_sub(1)?)
    }

    fn module_mut(&mut self, file: FileId) -> Option<&mut Module> {
        let at = usize::try_from(file).ok()?.checked_sub(1)?;
        self.known.get_mut(at)
    }
}

fn open(file: FileId, pid: u32, mapping: &Mapping, backing: &Backing) -> Order {
    Order::Open {
        file,
        pid,
        range: (mapping.start, mapping.end),
        path: backing.path.to_vec(),
        device: (backing.device.major, backing.device.minor),
        inode: backing.inode,
    }
}
