//! From places to names, file by file.

use std::{
    collections::{BTreeMap, HashMap, hash_map},
    path::PathBuf,
    sync::Arc,
};

use super::{
    debug_files::DEFAULT_DIRECTORIES,
    files::{At, Files},
    kernel::KernelSymbols,
    lists::Lists,
    modules::Modules,
    names::Names,
};
use crate::{
    host::proc::Proc,
    model::code::{CodeFile, CodePlace, Resolution, Unresolved},
};

/// How much to find out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Detail {
    /// The functions that symbol tables name.
    Functions,
    /// Inlined functions and source lines, too, which debug information tells.
    #[default]
    Lines,
}

/// Where to look and what for.
#[derive(Clone, Debug)]
pub struct Options {
    pub detail: Detail,
    /// Folders of debug information, the first the first asked. They may also hold copies of another
    /// machine's programs.
    pub debug_directories: Vec<PathBuf>,
    /// Whether the places are of this machine since it started: only then do its kernel and its vdso
    /// name them.
    pub this_boot: bool,
    pub proc: Proc,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            detail: Detail::default(),
            debug_directories: DEFAULT_DIRECTORIES.map(PathBuf::from).to_vec(),
            this_boot: true,
            proc: Proc::default(),
        }
    }
}

/// Finds names. What it reads it keeps, within bounds, for the next call. Not to be sent to another
/// thread.
#[derive(Debug)]
pub struct Resolver {
    options: Options,
    files: Files,
    lists: Lists,
    kernel: KernelSymbols,
    names: Names,
    known: HashMap<CodePlace, Resolution>,
}

/// Places whose names are kept; beyond, all are found anew.
const MAX_KNOWN: usize = 1 << 16;

/// Places that one source names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Kernel,
    Vdso,
    Jit(u32),
    File(Arc<CodeFile>),
    Unknown,
}

impl Resolver {
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            files: Files::default(),
            lists: Lists::default(),
            kernel: KernelSymbols::new(options.proc.path("kallsyms")),
            names: Names::default(),
            known: HashMap::new(),
            options,
        }
    }

    /// The names at these places, as many and in their order. `modules` are the files that were held
    /// while the processes ran; without them files are found by path and build id.
    ///
    /// Ask for all places at once: each file is read once, and then the next takes its memory.
    pub fn resolve(&mut self, places: &[CodePlace], modules: Option<&Modules>) -> Vec<Resolution> {
        let mut found: HashMap<&CodePlace, Resolution> = HashMap::new();
        let mut asked: BTreeMap<Group, Vec<&CodePlace>> = BTreeMap::new();
        for place in places {
            if let hash_map::Entry::Vacant(vacant) = found.entry(place) {
                match self.known.get(place) {
                    Some(known) => drop(vacant.insert(known.clone())),
                    None => {
                        vacant.insert(Err(Unresolved::NotMapped));
                        asked.entry(Group::of(place)).or_default().push(place);
                    }
                }
            }
        }
        for (group, places) in asked {
            let resolutions = self.ask(&group, &places, modules);
            for (place, resolution) in places.into_iter().zip(resolutions) {
                if !matches!(group, Group::Jit(_)) {
                    self.keep(place, &resolution);
                }
                found.insert(place, resolution);
            }
        }
        places.iter().map(|place| found[place].clone()).collect()
    }

    /// The list of a process's compiled functions grows, so only other names are kept.
    fn keep(&mut self, place: &CodePlace, resolution: &Resolution) {
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        self.known.insert(place.clone(), resolution.clone());
    }

    fn ask(
        &mut self,
        group: &Group,
        places: &[&CodePlace],
        modules: Option<&Modules>,
    ) -> Vec<Resolution> {
        let addresses: Vec<u64> = places.iter().map(|place| address(place)).collect();
        match group {
            Group::Kernel if self.options.this_boot => {
                self.kernel.resolve(&addresses, &mut self.names)
            }
            Group::Vdso if self.options.this_boot => {
                self.kernel.resolve_vdso(&addresses, &mut self.names)
            }
            Group::Kernel | Group::Vdso => vec![Err(Unresolved::OtherKernel); places.len()],
            Group::Jit(pid) => self.lists.resolve(*pid, &addresses, modules),
            Group::File(code) => {
                let at: Vec<At> = places.iter().filter_map(|place| at(place)).collect();
                self.files
                    .resolve(code, &at, modules, &self.options, &mut self.names)
            }
            Group::Unknown => vec![Err(Unresolved::NotMapped); places.len()],
        }
    }
}

impl Group {
    fn of(place: &CodePlace) -> Self {
        match place {
            CodePlace::Kernel { .. } => Self::Kernel,
            CodePlace::Vdso { .. } => Self::Vdso,
            CodePlace::Jit { pid, .. } => Self::Jit(*pid),
            CodePlace::File { file, .. } => Self::File(Arc::clone(file)),
            CodePlace::Unknown { .. } => Self::Unknown,
        }
    }
}

/// The number that tells the place from others of its group.
const fn address(place: &CodePlace) -> u64 {
    match place {
        CodePlace::Kernel { address }
        | CodePlace::Jit { address, .. }
        | CodePlace::Unknown { address } => *address,
        CodePlace::Vdso { offset_bytes } | CodePlace::File { offset_bytes, .. } => *offset_bytes,
    }
}

const fn at(place: &CodePlace) -> Option<At> {
    match place {
        CodePlace::File {
            offset_bytes,
            elf_address,
            ..
        } => Some((*offset_bytes, *elf_address)),
        _ => None,
    }
}
